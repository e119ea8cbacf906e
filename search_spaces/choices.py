"""Choice: a named decision with ordered options."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from search_spaces.errors import SpaceError

__all__ = ["Choice", "Option"]

Option: TypeAlias = int | float | str

_MAX_OPTIONS = np.iinfo(np.int16).max


@dataclass(frozen=True, slots=True)
class Choice:
    """A named decision with ordered options.

    Attributes:
        name: Unique within its space, for example ``kernel_3_2``.
        options: At least one, all different; numbers of numpy become plain ones. A population
            stores the index of an option.
    """

    name: str
    options: tuple[Option, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise SpaceError(f"A choice needs a name, got {self.name!r}.")
        object.__setattr__(self, "options", tuple(_plain(self.name, o) for o in self.options))
        if not self.options:
            raise SpaceError(f"Choice {self.name!r} has no options; give it at least one.")
        if len(set(self.options)) != len(self.options):
            raise SpaceError(f"Choice {self.name!r} repeats an option: {list(self.options)}.")
        if len(self.options) > _MAX_OPTIONS:
            raise SpaceError(
                f"Choice {self.name!r} has {len(self.options)} options; at most {_MAX_OPTIONS}."
            )

    def index(self, option: object) -> int:
        """Return the position of an option.

        Raises:
            SpaceError: The choice does not have it.
        """
        for position, known in enumerate(self.options):
            if option == known and isinstance(option, bool) == isinstance(known, bool):
                return position
        raise SpaceError(
            f"Choice {self.name!r} has no option {option!r}; allowed: {list(self.options)}."
        )


def _plain(name: str, option: object) -> Option:
    """Return an option as a plain Python value that JSON can hold.

    Raises:
        SpaceError: It is neither a finite number nor a text.
    """
    if isinstance(option, np.generic):
        option = option.item()
    if isinstance(option, int | str) or (isinstance(option, float) and math.isfinite(option)):
        return option
    raise SpaceError(
        f"Choice {name!r} has the option {option!r}; an option is a finite number or a text."
    )
