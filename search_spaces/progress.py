"""How long work reports that it goes on; the command line turns it into bars or lines."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

__all__ = ["Progress", "silent"]

Progress: TypeAlias = Callable[[int, int, str], None]
"""Called as ``progress(done, total, text)``, often."""


def silent(done: int, total: int, text: str) -> None:
    """Report nothing."""
