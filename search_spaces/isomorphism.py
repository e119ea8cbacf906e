"""Isomorphism: choices whose options, moved around, build the same network.

In a cell space the same operations on other edges can make the same graph. A space declares
this by a form: a function of the options that is equal for isomorphic combinations. The first
combination of each form stands for all of them in canonical forms, ids and sizes.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from search_spaces.choices import Choice, Option
from search_spaces.errors import SpaceError
from search_spaces.tables import Table

__all__ = ["Isomorphism", "refuse_overlap"]

_MAX_ENTRIES = 1_000_000


@dataclass(frozen=True, eq=False)
class Isomorphism:
    """Combinations of a few choices that build isomorphic networks.

    Attributes:
        scope: Positions of the choices, ascending.
        choices: The choices.
        form: Called with one option for each choice; equal for isomorphic combinations. Those
            must have equal costs and the same function up to a renaming of weights.
    """

    scope: tuple[int, ...]
    choices: tuple[Choice, ...]
    form: Callable[..., Hashable]

    def __post_init__(self) -> None:
        combinations = math.prod(self._shape)
        if combinations > _MAX_ENTRIES:
            names = [choice.name for choice in self.choices]
            raise SpaceError(
                f"The isomorphism of {names} has {combinations:,} combinations; at most "
                f"{_MAX_ENTRIES:,}. Declare several that read fewer choices."
            )

    @property
    def _shape(self) -> tuple[int, ...]:
        return tuple(len(choice.options) for choice in self.choices)

    @cached_property
    def first(self) -> NDArray[np.int64]:
        """The first combination of equal form for every combination, flat and row-major."""
        return _first(self.form, tuple(choice.options for choice in self.choices))

    def __call__(self, population: NDArray[np.int16]) -> NDArray[np.int16]:
        """Return the population [n, d] with first combinations in the columns of the scope."""
        columns = list(self.scope)
        joint = np.ravel_multi_index(tuple(population[:, columns].T), self._shape)
        result = population.copy()
        result[:, columns] = np.stack(np.unravel_index(self.first[joint], self._shape), axis=1)
        return result

    def table(self) -> Table:
        """Return a table of bool that is true exactly on first combinations."""
        own = self.first == np.arange(len(self.first))
        return Table(self.scope, own.reshape(self._shape))


@lru_cache(maxsize=16)  # members of an ensemble, and spaces of several widths, have equal ones
def _first(
    form: Callable[..., Hashable], options: tuple[tuple[Option, ...], ...]
) -> NDArray[np.int64]:
    """Return the first combination of equal form for every combination, read-only."""
    known: dict[Hashable, int] = {}
    combinations = itertools.product(*options)
    forms = (known.setdefault(form(*c), i) for i, c in enumerate(combinations))
    count = math.prod(len(some) for some in options)
    result = np.fromiter(forms, dtype=np.int64, count=count)
    result.flags.writeable = False
    return result


def refuse_overlap(isomorphisms: Sequence[Isomorphism]) -> None:
    """Refuse isomorphisms that share a choice.

    Raises:
        SpaceError: Two read the same choice; replacing one would undo the other.
    """
    seen: set[str] = set()
    for choice in (choice for iso in isomorphisms for choice in iso.choices):
        if choice.name in seen:
            raise SpaceError(
                f"Two isomorphisms read the choice {choice.name!r}. Declare one that reads the "
                "choices of both."
            )
        seen.add(choice.name)
