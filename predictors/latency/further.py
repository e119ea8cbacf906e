"""Measuring further whole networks for a table that exists: to calibrate or to validate it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from predictors.errors import TableError
from predictors.latency.assemble import machine_drift, with_networks
from predictors.latency.identified import identified_space
from predictors.latency.plan import choose_networks, networks_plan
from predictors.latency.runner.options import LutOptions
from predictors.latency.table import LatencyTable, NetworkRole
from predictors.latency.table_file import load_table, save_table
from predictors.latency.target import Target, ThisMachine, remove_work
from search_spaces import SearchSpace
from search_spaces.progress import Progress, silent

__all__ = ["measure_further", "space_of_table"]


def space_of_table(table: LatencyTable) -> SearchSpace:
    """Return the space whose blocks a table has.

    Raises:
        TableError: There is no such space here, or the table lacks some of its blocks.
    """
    space = identified_space(table.identity.space, table.source)
    table.check(space)
    return space


def measure_further(
    path: Path,
    role: NetworkRole,
    nets: int,
    *,
    options: LutOptions | None = None,
    target: Target | None = None,
    progress: Progress | None = None,
) -> tuple[LatencyTable, float]:
    """Measure whole networks and put them in the place of a table's networks of that role.

    The table is calibrated and validated anew and written back. A measurement that was stopped
    goes on.

    Args:
        path: Of the table.
        role: What the networks are for; none of them has the other role in the table.
        nets: How many.
        options: How to measure; runtime, threads, batch size, type and metric are the table's.
        target: Where; by default on this machine.
        progress: Told how far the work has come.

    Returns:
        The table, and how slow the machine was over when the table was built; latencies are
        corrected by it.

    Raises:
        TableError: The table is of another device, runtime or version of it, or was not
            measured here but published.
        MeasurementError: A network cannot be run.
    """
    table = load_table(path)
    reference = table.checked_reference().architecture
    space = space_of_table(table)
    conditions, wanted = table.conditions, {f"{role}_nets": nets}
    nobody = {"calibration_nets": 0, "validation_nets": 0}
    options = dataclasses.replace(
        options or LutOptions(),
        runtime=conditions.runtime,
        threads=conditions.threads,
        batch_size=conditions.batch_size,
        dtype=conditions.dtype,
        metric=conditions.metric,
        **(nobody | wanted),
    )
    target = target or ThisMachine()
    identity = target.identity(space, options)
    differences = table.identity.differences(identity) if identity is not None else []
    if differences:
        raise TableError(
            f"{table.source} is of another measurement than could be made here: "
            f"{'; '.join(differences)}. Measure on its device (--host, --adb or --command)."
        )
    taken = [net.architecture for net in table.networks if net.role != role]
    calibration, validation = choose_networks(space, options, taken=taken)
    plan = networks_plan(
        space, options, calibration=calibration, validation=validation, reference=reference
    )
    work = path.with_name(f"{path.name}.{role}")
    measurement = target.measure(space, plan, options, work, progress=progress or silent)
    better = with_networks(space, table, measurement)
    save_table(better, path)
    remove_work(work)
    return better, machine_drift(table, measurement)
