"""Checks of the numbers a space's factory is given."""

from __future__ import annotations

from collections.abc import Sequence

from search_spaces.errors import SpaceError

__all__ = ["require_positive", "require_probability"]


def require_positive(**values: float | Sequence[float]) -> None:
    """Refuse numbers, or sequences of numbers, that are not above zero.

    Raises:
        SpaceError: One is not; the message names it.
    """
    for name, value in values.items():
        numbers = value if isinstance(value, Sequence) else [value]
        for number in numbers:
            if not number > 0:
                raise SpaceError(f"{name} must be above zero, got {number}.")


def require_probability(**values: float) -> None:
    """Refuse numbers outside [0, 1).

    Raises:
        SpaceError: One is; the message names it.
    """
    for name, value in values.items():
        if not 0 <= value < 1:
            raise SpaceError(f"{name} must be at least 0 and below 1, got {value}.")
