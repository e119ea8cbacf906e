"""Taking back what a kit measured on a device."""

from __future__ import annotations

import logging
from pathlib import Path

from predictors.errors import TableError
from predictors.latency.assemble import assemble
from predictors.latency.kit import read_measurement
from predictors.latency.runner.kit import read_kit
from predictors.latency.table import LatencyTable
from predictors.latency.table_file import load_table, save_table

__all__ = ["import_result", "refuse_existing"]

_LOG = logging.getLogger(__name__)


def import_result(result: Path, path: Path, *, kit: Path | None = None) -> LatencyTable:
    """Make a table of a kit's result.

    Args:
        result: The file that the runner wrote.
        path: Of the table.
        kit: Folder of the kit that it must be the result of; by default of any.

    Raises:
        TableError: The result is missing, cut short or of another plan; or the table exists.
    """
    refuse_existing(path)
    expected = read_kit(kit) if kit is not None else None
    space, measurement = read_measurement(result, kit=expected)
    if measurement.finished < measurement.started:
        _LOG.warning(
            "the calendar of the device jumped from %s to %s while it measured; the dates of the "
            "table are wrong, its latencies are not: another clock times them",
            measurement.started,
            measurement.finished,
        )
    save_table(assemble(space, measurement), path)
    return load_table(path)


def refuse_existing(path: Path) -> None:
    """Refuse to write over a file.

    Raises:
        TableError: There is one.
    """
    if path.exists():
        raise TableError(f"{path} exists already. Choose another name with --out.")
