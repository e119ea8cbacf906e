"""Fold: a variable of small range derived from many choices, read by slots like a choice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from search_spaces.choices import Choice, Option
from search_spaces.errors import SpaceError
from search_spaces.tables import Table, sorted_table

__all__ = ["Fold", "step_tables"]


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """A variable derived from many choices by a small automaton.

    The state starts at ``initial`` and each choice in ``reads`` moves it on:
    ``state = steps[i][state, option]``. "Which attention kinds occur among twelve heads" is
    a fold with sixteen states; a table over the twelve choices themselves would explode.

    Attributes:
        name: Unique within its space, choices included.
        reads: Positions of the choices, in the order they are folded.
        states: What a slot receives for each state.
        initial: Position of the first state.
        steps: One int array [states, options] for each choice read.
        reachable: Positions of the states that some architecture ends in, ascending; slots
            are asked for these only.
    """

    name: str
    reads: tuple[int, ...]
    states: tuple[Option, ...]
    initial: int
    steps: tuple[NDArray[np.int16], ...]
    reachable: tuple[int, ...]

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
        """Tabulate ``step(state, option) -> state`` over reachable states and options.

        Raises:
            SpaceError: It reads no choice, or a step leaves the declared states.
        """
        if not reads:
            raise SpaceError(f"Fold {name!r} reads no choice; name at least one in `reads`.")
        states = Choice(name, tuple(states)).options
        position = {state: index for index, state in enumerate(states)}
        if initial not in position:
            raise SpaceError(f"Fold {name!r} starts at {initial!r}, not one of {list(states)}.")
        steps = []
        reachable = {position[initial]}
        for _, choice in reads:
            table = np.empty((len(states), len(choice.options)), dtype=np.int16)
            table[:] = np.arange(len(states))[:, None]  # for states that do not occur here
            for row in reachable:
                for column, option in enumerate(choice.options):
                    after = step(states[row], option)
                    if after not in position:
                        raise SpaceError(
                            f"Fold {name!r} moves from {states[row]!r} by {choice.name}="
                            f"{option!r} to {after!r}, which is not one of its states "
                            f"{list(states)}."
                        )
                    table[row, column] = position[after]
            reachable = set(table[sorted(reachable)].ravel().tolist())
            steps.append(table)
        columns = tuple(column for column, _ in reads)
        ends = tuple(sorted(reachable))
        return cls(name, columns, states, position[initial], tuple(steps), ends)

    def restricted(self, options: Sequence[NDArray[np.int16]]) -> Fold:
        """Return the fold over fewer options.

        Args:
            options: For every choice of the space the positions of the options that stay.
        """
        steps = tuple(
            step[:, options[column]] for column, step in zip(self.reads, self.steps, strict=True)
        )
        reached = {self.initial}
        for step in steps:
            reached = set(step[sorted(reached)].ravel().tolist())
        return replace(self, steps=steps, reachable=tuple(sorted(reached)))

    def __call__(self, population: NDArray[np.integer]) -> NDArray[np.int16]:
        """Return the state of every architecture, int16 [n], for a population [n, d]."""
        state = np.full(len(population), self.initial, dtype=np.int16)
        for column, table in zip(self.reads, self.steps, strict=True):
            state = table[state, population[:, column]]
        return state


def step_tables(
    folds: Sequence[Fold], choices: int, sizes: Sequence[int]
) -> tuple[tuple[Table, ...], tuple[int, ...]]:
    """Return the automata of folds as tables, for exact elimination.

    The states in between become variables of their own after the folds.

    Args:
        folds: In the order of their variables.
        choices: Number of choices; the first fold is the variable after them.
        sizes: Number of values of every choice and fold.

    Returns:
        Bool tables over (state before, choice, state after) that are true on allowed steps,
        and the number of values of every variable.
    """
    all_sizes = list(sizes)
    tables = []
    for position, fold in enumerate(folds):
        before: int | None = None
        for number, (column, step) in enumerate(zip(fold.reads, fold.steps, strict=True)):
            if number == len(fold.reads) - 1:
                after = choices + position
            else:
                after = len(all_sizes)
                all_sizes.append(len(fold.states))
            allowed = step[:, :, None] == np.arange(len(fold.states))
            if before is None:
                tables.append(sorted_table((column, after), allowed[fold.initial]))
            else:
                tables.append(sorted_table((before, column, after), allowed))
            before = after
    return tuple(tables), tuple(all_sizes)
