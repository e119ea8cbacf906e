"""Building a latency table on this device; a build that was stopped goes on where it was."""

from __future__ import annotations

import logging
from pathlib import Path

from predictors.errors import TableError
from predictors.latency.assemble import assemble
from predictors.latency.plan import make_plan
from predictors.latency.runner.identity import Identity
from predictors.latency.runner.options import LutOptions
from predictors.latency.table import LatencyTable
from predictors.latency.table_file import load_table, save_table
from predictors.latency.target import Target, ThisMachine, remove_work
from search_spaces import SearchSpace
from search_spaces.progress import Progress, silent

__all__ = ["build_table"]

_LOG = logging.getLogger(__name__)


def build_table(
    space: SearchSpace,
    options: LutOptions | None = None,
    path: Path | str = "latency.lut.json",
    *,
    target: Target | None = None,
    progress: Progress | None = None,
) -> LatencyTable:
    """Measure every different block of a space on a device and write a latency table.

    Whole networks are measured among the blocks to calibrate and to validate the table.
    Finished rounds are kept in ``<path>.partial``; the same call continues them. A finished
    table at ``path`` is returned as it is.

    Args:
        space: Whose blocks.
        options: How to measure.
        path: File of the table; its folder must exist.
        target: Where to measure; by default on this machine.
        progress: Told how far the work has come.

    Raises:
        TableError: ``path`` holds another table or rounds of another measurement, or cannot
            be written.
        MeasurementError: The runtime is unknown, or cannot run a block.
        MissingExtraError: The runtime is not installed.
    """
    options, path = options or LutOptions(), Path(path)
    target = target or ThisMachine()
    identity = target.identity(space, options)
    if path.exists():
        return _finished(path, identity, space, options)
    work = path.with_name(f"{path.name}.partial")
    plan = make_plan(space, options)
    measurement = target.measure(space, plan, options, work, progress=progress or silent)
    save_table(assemble(space, measurement), path)
    remove_work(work)
    return load_table(path)


def _finished(
    path: Path, identity: Identity | None, space: SearchSpace, options: LutOptions
) -> LatencyTable:
    """Return the table at a path if it is of the same measurement, as far as that is known."""
    table = load_table(path)
    if identity is not None:
        differences = table.identity.differences(identity)
        if differences:
            raise TableError(
                f"{path} is a table of another measurement: {'; '.join(differences)}. Choose "
                "another name, or delete the file."
            )
    table.check(space)
    table.check_conditions(
        runtime=options.runtime,
        threads=options.threads,
        batch_size=options.batch_size,
        metric=options.metric,
    )
    _LOG.info("%s is finished; nothing is measured", path)
    return table
