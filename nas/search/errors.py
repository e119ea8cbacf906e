"""Errors of the search."""

from __future__ import annotations

from nas.errors import NasError

__all__ = ["SearchError"]


class SearchError(NasError):
    """The search cannot go on: nothing could be evaluated at all."""
