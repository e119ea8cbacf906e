"""The error tree: what can go wrong for a user of the engine, with the exit code of each."""

from __future__ import annotations

from search_spaces.errors import (
    InfeasibleError,
    MissingExtraError,
    NasError,
    SpaceError,
    nearest,
)

__all__ = [
    "CheckpointError",
    "ConfigError",
    "DataError",
    "ElsewhereError",
    "ExportError",
    "InfeasibleError",
    "InterruptedRunError",
    "MissingExtraError",
    "NasError",
    "RunError",
    "SpaceError",
    "TrainingError",
    "nearest",
]


class ConfigError(NasError):
    """A configuration file or a value set on the command line is wrong."""


class DataError(NasError):
    """A data path is missing, empty, or holds something that is no usable image set."""


class RunError(NasError):
    """A run folder is missing, foreign, damaged or in use by another process."""


class CheckpointError(NasError):
    """A checkpoint is missing, truncated or belongs to another space or configuration."""


class TrainingError(NasError):
    """Training cannot go on: the loss is not finite, or the device ran out of memory."""


class ExportError(NasError):
    """An exported file could not be written or does not compute what the subnet computes."""


class InterruptedRunError(NasError):
    """The run was stopped from outside; everything finished is on disk and can be resumed."""

    exit_code = 4


class ElsewhereError(NasError):
    """Another process of this training failed and says why; this one ends in silence."""

    def __init__(self, exit_code: int) -> None:
        super().__init__("")
        self.exit_code = exit_code
