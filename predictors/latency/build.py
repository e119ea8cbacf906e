"""Building a latency table on this device; a build that was stopped goes on where it was."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from predictors.errors import TableError
from predictors.latency.calibration import calibrate
from predictors.latency.campaign import Measured, measure_plan
from predictors.latency.cost import TableCost
from predictors.latency.graph import network, weight_megabytes
from predictors.latency.identity import Identity
from predictors.latency.journal import Journal
from predictors.latency.options import LutOptions
from predictors.latency.plan import Plan, make_plan
from predictors.latency.runtimes import get_runtime
from predictors.latency.table import LatencyTable, MeasuredNetwork, Row
from predictors.latency.table_file import load_table
from predictors.latency.validation import Validation, validate
from search_spaces import Architecture, SearchSpace
from search_spaces.progress import Progress, silent

__all__ = ["build_table"]

_LOG = logging.getLogger(__name__)


def build_table(
    space: SearchSpace,
    options: LutOptions | None = None,
    path: Path | str = "latency.lut.json",
    *,
    progress: Progress | None = None,
) -> LatencyTable:
    """Measure every different block of a space on this device and write a latency table.

    Whole networks are measured among the blocks to calibrate and to validate the table.
    Finished rounds are kept in ``<path>.partial``; the same call continues them. A finished
    table at ``path`` is returned as it is.

    Args:
        space: Whose blocks.
        options: How to measure.
        path: File of the table; its folder must exist.
        progress: Told how far the work has come.

    Raises:
        TableError: ``path`` holds another table or rounds of another measurement, or cannot
            be written.
        MeasurementError: The runtime is unknown, or cannot run a block.
        MissingExtraError: The runtime is not installed.
    """
    options, path = options or LutOptions(), Path(path)
    runtime = get_runtime(options.runtime)
    identity = Identity.of(space, options, runtime)
    if path.exists():
        return _finished(path, identity)
    plan = make_plan(space, options)
    partial = path.with_name(f"{path.name}.partial")
    journal = Journal(partial, identity, plan=plan.digest, started=_now())
    measured = measure_plan(
        plan, runtime, options=options, journal=journal, progress=progress or silent
    )
    table = _assemble(space, identity, plan, measured, journal.started)
    table.save(path)
    journal.remove()
    return load_table(path)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _finished(path: Path, identity: Identity) -> LatencyTable:
    """Return the table at a path if it is of the same measurement."""
    table = load_table(path)
    differences = table.identity.differences(identity)
    if differences:
        raise TableError(
            f"{path} is a table of another measurement: {'; '.join(differences)}. Choose another "
            "name, or delete the file."
        )
    _LOG.info("%s is finished; nothing is measured", path)
    return table


def _assemble(
    space: SearchSpace, identity: Identity, plan: Plan, measured: Measured, started: str
) -> LatencyTable:
    """Calibrate, validate and put the table together."""
    timings = [timings[0] for timings in measured.timings]
    rows = [
        Row(item.block, timing)
        for item, timing in zip(plan.items, timings, strict=True)
        if item.block is not None
    ]
    call_ms = float(np.median([timing.latency_ms for timing in measured.timings[-1]]))
    table = LatencyTable(identity, started, _now(), measured.rounds, call_ms, tuple(rows))
    networks = [
        (item.role, item.architecture, timing)
        for item, timing in zip(plan.items, timings, strict=True)
        if item.architecture is not None
    ]
    fitted = [(a, timing) for role, a, timing in networks if role == "calibration"]
    calibration = calibrate(
        _features(space, table.cost_model(), [architecture for architecture, _ in fitted]),
        np.array([timing.latency_ms for _, timing in fitted]),
    )
    table = dataclasses.replace(table, calibration=calibration)
    price = table.cost_model()
    checked = tuple(
        MeasuredNetwork(role, architecture, _estimate(space, price, architecture), timing)
        for role, architecture, timing in networks
        if role in ("calibration", "validation")
    )
    return dataclasses.replace(table, networks=checked, validation=_validation(checked))


def _features(
    space: SearchSpace, price: TableCost, architectures: Sequence[Architecture]
) -> NDArray[np.float64]:
    """Return what `calibrate` fits, float64 [n, 3]: sum of rows, blocks, weights."""
    features = []
    for architecture in architectures:
        blocks = [step.block for step in network(space, architecture)]
        megabytes = sum(weight_megabytes(block) for block in blocks)
        features.append((sum(price(block) for block in blocks), len(blocks), megabytes))
    return np.array(features, dtype=np.float64).reshape(-1, 3)


def _estimate(space: SearchSpace, price: TableCost, architecture: Architecture) -> float:
    """Return the latency of a network by the table."""
    blocks = [step.block for step in network(space, architecture)]
    return price.constant + sum(price(block) for block in blocks)


def _validation(networks: Sequence[MeasuredNetwork]) -> Validation | None:
    held_out = [net for net in networks if net.role == "validation"]
    return validate(
        np.array([net.estimated_ms for net in held_out]),
        np.array([net.timing.latency_ms for net in held_out]),
        np.array([net.timing.halves_ms for net in held_out]),
    )
