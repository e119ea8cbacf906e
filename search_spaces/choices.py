"""Choices: the named decisions of a search space, and folds: small-range functions of many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from search_spaces.errors import SpaceError

__all__ = ["Choice", "Fold", "Option"]

Option: TypeAlias = int | float | str

_MAX_OPTIONS = np.iinfo(np.int16).max


@dataclass(frozen=True, slots=True)
class Choice:
    """A named decision with ordered options.

    Attributes:
        name: Unique within its space, for example ``kernel_3_2``.
        options: At least one, all different. A population stores the index of an option.
    """

    name: str
    options: tuple[Option, ...]

    def __post_init__(self) -> None:
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


@dataclass(frozen=True, slots=True)
class Fold:
    """A variable derived from many choices by a small automaton, read by slots like a choice.

    The state starts at ``initial`` and each choice in ``reads`` moves it on:
    ``state = steps[i][state, option]``. "Which attention kinds occur among twelve heads" is
    a fold with sixteen states; a table over the twelve choices themselves would explode.

    Attributes:
        name: Unique within its space, choices included.
        reads: Positions of the choices, in the order they are folded.
        states: What a slot receives for each state.
        initial: Position of the first state.
        steps: One int array [states, options] for each choice read.
    """

    name: str
    reads: tuple[int, ...]
    states: tuple[Option, ...]
    initial: int
    steps: tuple[NDArray[np.int16], ...]

    @classmethod
    def build(
        cls,
        name: str,
        *,
        reads: Sequence[tuple[int, Choice]],
        states: Sequence[Option],
        initial: Option,
        step: Callable[[Option, Option], Option],
    ) -> Fold:
        """Tabulate ``step(state, option) -> state`` over all states and options.

        Raises:
            SpaceError: A step leaves the declared states.
        """
        position = {state: index for index, state in enumerate(states)}
        if initial not in position:
            raise SpaceError(f"Fold {name!r} starts at {initial!r}, not one of {list(states)}.")
        steps = []
        for _, choice in reads:
            table = np.empty((len(position), len(choice.options)), dtype=np.int16)
            for state, row in position.items():
                for column, option in enumerate(choice.options):
                    after = step(state, option)
                    if after not in position:
                        raise SpaceError(
                            f"Fold {name!r} moves from {state!r} by {choice.name}={option!r} "
                            f"to {after!r}, which is not one of its states {list(states)}."
                        )
                    table[row, column] = position[after]
            steps.append(table)
        return cls(
            name=name,
            reads=tuple(index for index, _ in reads),
            states=tuple(states),
            initial=position[initial],
            steps=tuple(steps),
        )

    def __call__(self, population: NDArray[np.int16]) -> NDArray[np.int16]:
        """Return the state of every architecture, int16 [n], for a population [n, d]."""
        state = np.full(len(population), self.initial, dtype=np.int16)
        for column, table in zip(self.reads, self.steps, strict=True):
            state = table[state, population[:, column]]
        return state
