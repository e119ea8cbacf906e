"""Decisions: named choices, and populations of architectures as arrays of option indices.

Populations are int16 arrays [n, d] of option indices, one row for each architecture and one
column for each choice; every operation on them is vectorised.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from search_spaces.architecture import Architecture
from search_spaces.choices import Choice
from search_spaces.errors import SpaceError, nearest

__all__ = ["Decisions", "Population"]

Population: TypeAlias = NDArray[np.int16]


class Decisions:
    """The choices of a space: how many ways there are, and how to draw, change and name them.

    Args:
        name: Of the space that they are of.
        choices: Position is the column of a population.
    """

    def __init__(self, name: str, choices: Sequence[Choice]) -> None:
        self.name = name
        self.choices = tuple(choices)
        self.option_counts = np.array([len(c.options) for c in self.choices], dtype=np.int16)
        self._column = {choice.name: i for i, choice in enumerate(self.choices)}

    @property
    def combinations(self) -> int:
        """Number of ways to make all choices; different ones may build the same network."""
        return math.prod(len(choice.options) for choice in self.choices)

    def encode(self, architecture: Mapping[str, Any]) -> NDArray[np.int16]:
        """Return the option index of every choice, int16 [d].

        Raises:
            SpaceError: A choice is missing or unknown, or has no such option; the message
                names the first one and what is allowed.
        """
        for name in architecture:
            if name not in self._column:
                raise SpaceError(
                    f"Space {self.name!r} has no choice {name!r}. "
                    f"{nearest(str(name), self._column)}"
                )
        for choice in self.choices:
            if choice.name not in architecture:
                raise SpaceError(
                    f"The architecture lacks the choice {choice.name!r} of space {self.name!r}; "
                    f"allowed: {list(choice.options)}."
                )
        indices = [choice.index(architecture[choice.name]) for choice in self.choices]
        return np.array(indices, dtype=np.int16)

    def decode(self, row: NDArray[np.int16] | Sequence[int]) -> Architecture:
        """Return the architecture of one row of option indices; not made canonical.

        Raises:
            SpaceError: The row is too short or too long, or an index is out of range.
        """
        if len(row) != len(self.choices):
            raise SpaceError(
                f"A row of space {self.name!r} has {len(self.choices)} indices, got {len(row)}."
            )
        options = {}
        for choice, index in zip(self.choices, row, strict=True):
            if not 0 <= index < len(choice.options):
                raise SpaceError(
                    f"Choice {choice.name!r} has the indices 0 to {len(choice.options) - 1}, "
                    f"got {index}."
                )
            options[choice.name] = choice.options[index]
        return Architecture(options)

    def encode_all(self, architectures: Iterable[Architecture]) -> Population:
        """Return int16 [n, d] for many architectures."""
        rows = [self.encode(architecture) for architecture in architectures]
        return np.stack(rows) if rows else np.empty((0, len(self.choices)), dtype=np.int16)

    def decode_all(self, population: Population) -> list[Architecture]:
        """Return the architecture of every row."""
        return [self.decode(row) for row in population]

    def holds(self, architecture: Mapping[str, Any]) -> bool:
        """Return whether an architecture is made of these choices."""
        try:
            self.encode(architecture)
        except SpaceError:
            return False
        return True

    def sample(self, n: int, rng: np.random.Generator) -> Population:
        """Draw every option of every choice uniformly, int16 [n, d]; not canonical."""
        return rng.integers(0, self.option_counts, size=(n, len(self.choices)), dtype=np.int16)

    def mutate(
        self, population: Population, rng: np.random.Generator, *, probability: float = 0.1
    ) -> Population:
        """Redraw each choice of each row uniformly with the given probability."""
        rows, columns = np.nonzero(rng.random(population.shape, dtype=np.float32) < probability)
        result = population.copy()
        result[rows, columns] = rng.integers(0, self.option_counts[columns], dtype=np.int16)
        return result

    def crossover(
        self, first: Population, second: Population, rng: np.random.Generator
    ) -> Population:
        """Take each choice of each row from one of two parents with equal probability."""
        return np.where(rng.random(first.shape, dtype=np.float32) < 0.5, first, second)
