"""Checks of the numbers a space's factory is given."""

from __future__ import annotations

from collections.abc import Sequence

from search_spaces.errors import SpaceError, nearest

__all__ = ["require_known", "require_positive", "require_probability", "require_shares"]


def require_known(known: Sequence[str], **values: Sequence[str]) -> None:
    """Refuse names that are not among the known ones.

    Raises:
        SpaceError: One is not; the message names the argument and the nearest name.
    """
    for argument, names in values.items():
        for name in names:
            if name not in known:
                raise SpaceError(f"{argument} has no {name!r}. {nearest(name, known)}")


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


def require_shares(**values: Sequence[float]) -> None:
    """Refuse sequences of numbers that are not in [0, 1].

    Raises:
        SpaceError: One is outside; the message names it.
    """
    for name, shares in values.items():
        for share in shares:
            if not 0 <= share <= 1:
                raise SpaceError(f"{name} must be from 0 to 1, got {share}.")
