"""Errors of the search."""

from __future__ import annotations

from nas.errors import InterruptedRunError, NasError, RunError

__all__ = ["SearchError", "StorageLostError"]


class SearchError(NasError):
    """The search cannot go on: nothing could be evaluated at all."""


class StorageLostError(RunError):
    """The storage of a shared study does not answer; the same command goes on when it does."""

    exit_code = InterruptedRunError.exit_code
