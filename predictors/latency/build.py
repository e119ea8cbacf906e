"""Building a latency table on this device; a build that was stopped goes on where it was."""

from __future__ import annotations

import logging
from pathlib import Path

from predictors.errors import TableError
from predictors.latency.assemble import assemble
from predictors.latency.measurement import measure_here
from predictors.latency.plan import make_plan
from predictors.latency.runner.identity import Identity
from predictors.latency.runner.options import LutOptions
from predictors.latency.runtimes import get_runtime
from predictors.latency.table import LatencyTable
from predictors.latency.table_file import load_table
from search_spaces import SearchSpace
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
    partial = path.with_name(f"{path.name}.partial")
    measurement = measure_here(
        make_plan(space, options),
        identity,
        runtime,
        options,
        partial,
        progress=progress or silent,
    )
    assemble(space, measurement).save(path)
    partial.unlink(missing_ok=True)
    return load_table(path)


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
