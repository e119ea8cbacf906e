"""Errors of costs, tables and measurements."""

from __future__ import annotations

from search_spaces.errors import NasError

__all__ = ["ConnectionLostError", "MeasurementError", "TableError"]


class TableError(NasError):
    """A table is damaged, lacks a block, or belongs to another space, device or runtime."""


class MeasurementError(NasError):
    """A measurement could not be made, or not be trusted."""


class ConnectionLostError(MeasurementError):
    """The way to a device broke; the same command goes on where it was."""

    exit_code = 4
