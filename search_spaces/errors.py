"""The root of the one error tree, and the sentence that names the nearest valid word.

Every error a user can cause derives from `NasError` and carries the exit code that the
command line returns for it: 2 bad input, 3 infeasible, 4 interrupted and resumable.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "InfeasibleError",
    "MissingExtraError",
    "NasError",
    "SpaceError",
    "nearest",
]


class NasError(Exception):
    """Base of all errors of this project; the message says what, given, allowed, and what next."""

    exit_code = 2


class SpaceError(NasError):
    """A search space, a choice, a block or an architecture is not what it must be."""


class InfeasibleError(NasError):
    """No architecture of the space can meet the limits."""

    exit_code = 3


class MissingExtraError(NasError):
    """An optional package is not installed; the message names the extra that brings it."""


def nearest(given: str, allowed: Iterable[str]) -> str:
    """Return a sentence that helps to mend a misspelt name.

    Args:
        given: The name that was not found.
        allowed: The names that exist.

    Returns:
        ``Did you mean 'x'?`` when one name is close, else the whole list of known names.
    """
    names = sorted(allowed)
    close = difflib.get_close_matches(given, names, n=1, cutoff=0.6)
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"Known: {', '.join(names)}." if names else "None is known."
