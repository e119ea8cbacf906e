"""The population engine: children of chosen parents, within the limits and never twice.

Whole generations are arrays and every loop is bounded. How parents are chosen is the
searcher's own affair; everything else about an evolutionary searcher is here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from nas.errors import ConfigError
from nas.search.history import History, Proposals
from nas.search.problem import Problem
from nas.search.sampling import draw_feasible, draw_within
from search_spaces import Population

__all__ = ["Breeding", "Select", "at_least_one", "repaired", "uniformly"]

Select: TypeAlias = Callable[[int, np.random.Generator], NDArray[np.intp]]
"""Chooses so many parents, with repetition: positions in the history."""

_TRIES = 8
_ALIKE = 0.5
_OPERATORS = ("mutation", "crossover")
_REPAIRED = ", repaired"
_REPAIRS = (0.125, 0.25, 0.5, 1.0)


@dataclass(frozen=True, slots=True)
class Breeding:
    """How children are made.

    Attributes:
        mutation_probability: With which a mutation redraws each choice; none redraws one
            choice on average.
        mutation_share: Share of the children made by mutation alone; uniform crossover of two
            parents makes the rest.
        mutate_crossed: Whether crossed children are mutated too, as in genetic algorithms.
    """

    mutation_probability: float | None = 0.1
    mutation_share: float = 0.5
    mutate_crossed: bool = False

    def __post_init__(self) -> None:
        if self.mutation_probability is not None and not 0 < self.mutation_probability <= 1:
            raise ConfigError(
                f"evolution: mutation_probability = {self.mutation_probability}, "
                "must be above 0 and at most 1."
            )
        if not 0 <= self.mutation_share <= 1:
            raise ConfigError(
                f"evolution: mutation_share = {self.mutation_share}, must be from 0 to 1."
            )

    def generation(
        self,
        history: History,
        select: Select,
        count: int,
        rng: np.random.Generator,
        *,
        crossing: bool = True,
    ) -> Proposals:
        """Return new feasible children; what cannot be bred is drawn at random.

        Args:
            history: The parents, and what must not be proposed again.
            select: Chooses parents.
            count: How many children.
            rng: The source of randomness.
            crossing: False where the parents are all the same and only mutate.
        """
        children = self._bred(history, select, count, rng, crossing=crossing)
        if len(children) == count:
            return children
        besides = history.problem.space.keys(children.population).tolist()
        more = draw_feasible(history, count - len(children), rng=rng, besides=besides)
        return children.join(more)

    def _bred(
        self,
        history: History,
        select: Select,
        count: int,
        rng: np.random.Generator,
        *,
        crossing: bool,
    ) -> Proposals:
        problem = history.problem
        mutants = int(count * self.mutation_share + 0.5) if crossing else count
        missing, taken = [mutants, count - mutants], set[int]()
        children = Proposals.none(len(problem.space.choices))
        for _ in range(_TRIES):
            wanted = list(missing)
            sizes = [2 * n for n in missing]
            rows, pairs = self._children(history, select, sizes, rng)
            usable = np.flatnonzero(problem.feasible(rows))
            mended = len(rows)  # from here on in the order of use
            if len(usable) < sum(missing):
                mended = len(usable)
                rows, more = repaired(problem, rows, usable, rng)
                usable = np.concatenate([usable, more])
            keys = problem.space.keys(rows[usable])
            fresh = history.fresh(keys, besides=taken)
            for operator, name in enumerate(_OPERATORS):
                made = (usable[fresh] >= sizes[0]) == bool(operator)
                chosen = fresh[made][: missing[operator]]
                missing[operator] -= len(chosen)
                taken.update(keys[chosen].tolist())
                names = [name + _REPAIRED if i >= mended else name for i in chosen.tolist()]
                parents = _parent_keys(history, pairs[usable[chosen]])
                children = children.join(Proposals(rows[usable[chosen]], names, parents))
            if not any(missing):
                break
            if missing[1] > _ALIKE * wanted[1]:  # parents too much alike to cross
                missing = [sum(missing), 0]
        return children

    def _children(
        self,
        history: History,
        select: Select,
        sizes: Sequence[int],
        rng: np.random.Generator,
    ) -> tuple[Population, NDArray[np.intp]]:
        """Return mutants, then crossed children, and the history positions of their parents.

        A mutant has the same parent twice. What a parent does not use is not inherited: the
        other parent's option stands for it, and where neither uses a choice, a mutation draws
        it. Else a block that comes back when its depth is raised would always have the first
        options, which seldom are good ones.
        """
        space, population = history.problem.space, history.population
        mutants, crossed = sizes
        one = select(mutants, rng)
        pairs = np.stack([one, one], axis=1)
        if crossed:
            pairs = np.concatenate([pairs, select(2 * crossed, rng).reshape(crossed, 2)])
        rows, others = population[pairs[:, 0]], population[pairs[:, 1]]
        unused = _unused(history, pairs) if space.can_be_inactive else None
        if unused is not None:
            rows, others = (
                np.where(unused[:, 0], others, rows),
                np.where(unused[:, 1], rows, others),
            )
        if crossed:
            rows[mutants:] = space.crossover(rows[mutants:], others[mutants:], rng)
        last = len(rows) if self.mutate_crossed else mutants
        if unused is not None:
            idle, columns = np.nonzero(unused[:last].all(axis=1))
            rows[idle, columns] = rng.integers(0, space.option_counts[columns], dtype=np.int16)
        probability = self.mutation_probability or 1.0 / max(len(space.choices), 1)
        rows[:last] = space.mutate(rows[:last], rng, probability=probability)
        return rows, pairs


def repaired(
    problem: Problem, rows: Population, within: NDArray[np.intp], rng: np.random.Generator
) -> tuple[Population, NDArray[np.intp]]:
    """Move rows that break a limit towards random ones within the limits until they meet it.

    Each choice in which a row differs from its goal is taken over with a probability that
    rises from one in eight to certainty, so little is changed where little suffices.

    Args:
        problem: The limits.
        rows: int16 [n, d].
        within: Positions of the rows that meet the limits.
        rng: The source of randomness.

    Returns:
        The rows, repaired, and the positions of those that were.
    """
    broken = np.delete(np.arange(len(rows)), within)
    goals = draw_within(problem, len(broken), rng)
    broken = broken[: len(goals)]
    moved, result = rows[broken], rows.copy()
    mended = [broken[:0]]
    for probability in _REPAIRS:
        moved = np.where(rng.random(moved.shape) < probability, goals, moved)
        done = problem.feasible(moved)
        mended.append(broken[done])
        result[broken[done]] = moved[done]
        broken, moved, goals = broken[~done], moved[~done], goals[~done]
    return result, np.concatenate(mended)


def uniformly(positions: NDArray[np.intp]) -> Select:
    """Return a selection in which each of some positions has the same chance."""
    return lambda count, rng: positions[rng.integers(0, len(positions), size=count)]


def at_least_one(searcher: str, **values: int) -> None:
    """Refuse options below one.

    Raises:
        ConfigError: Naming the first.
    """
    for name, value in values.items():
        if value < 1:
            raise ConfigError(f"{searcher}: {name} = {value}, must be at least 1.")


def _unused(history: History, pairs: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return which choices have no influence on each parent, bool [n, 2, d]."""
    distinct, positions = np.unique(pairs, return_inverse=True)
    inactive = history.problem.space.inactive(history.population[distinct])
    return np.asarray(inactive[positions.reshape(pairs.shape)])


def _parent_keys(history: History, pairs: NDArray[np.intp]) -> list[tuple[int, ...]]:
    keys = history.keys
    return [
        (int(keys[first]),) if first == second else (int(keys[first]), int(keys[second]))
        for first, second in pairs.tolist()
    ]
