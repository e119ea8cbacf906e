"""Constrained evolution of Single Path One-Shot and once-for-all.

Guo et al. 2020 (arXiv:1904.00420, section 3.4, algorithm 1) and Cai et al. 2020
(arXiv:1908.09791, section 3.4): the best architectures found so far are the parents, children
come from mutation and from uniform crossover, and those that break a limit are thrown away.
Here none is proposed twice, whole generations are arrays, every loop is bounded, and a search
that no longer finds anything better starts afresh, keeping what it found: a population that
has collapsed onto one network does not recover by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nas.errors import ConfigError
from nas.search.history import History, Proposals
from nas.search.sampling import draw_feasible
from search_spaces import Population

__all__ = ["Evolution"]

_TRIES = 5
_OPERATORS = ("mutation", "crossover")


@dataclass(frozen=True, slots=True)
class Evolution:
    """Top-k parents, mutation and crossover under hard limits.

    Attributes:
        parents: How many of the best feasible architectures of all rounds are parents.
        mutation_probability: With which a mutation redraws each choice.
        mutation_share: Share of a generation made by mutation; crossover makes the rest.
        patience: After so many rounds without a better architecture, parents are chosen from
            new random ones and their children only.
    """

    parents: int = 10
    mutation_probability: float = 0.1
    mutation_share: float = 0.5
    patience: int = 8

    def __post_init__(self) -> None:
        for name, value in (("parents", self.parents), ("patience", self.patience)):
            if value < 1:
                raise ConfigError(f"evolution: {name} = {value}, must be at least 1.")
        if not 0 < self.mutation_probability <= 1:
            raise ConfigError(
                f"evolution: mutation_probability = {self.mutation_probability}, "
                "must be above 0 and at most 1."
            )
        if not 0 <= self.mutation_share <= 1:
            raise ConfigError(
                f"evolution: mutation_share = {self.mutation_share}, must be from 0 to 1."
            )

    def propose(
        self, history: History, count: int, *, round: int, rng: np.random.Generator
    ) -> Proposals:
        """Return one generation; see `Searcher.propose`.

        The first one is random, and so is the first after a fresh start; what mutation and
        crossover cannot fill in bounded tries is filled with random architectures.
        """
        since = _fresh_start(history.best_by_round(round), self.patience)
        parents = history.top(self.parents, since=since)
        if not len(parents):
            return draw_feasible(history, count, rng=rng)
        mutants = count if len(parents) == 1 else int(count * self.mutation_share + 0.5)
        children = self._breed(history, parents, (mutants, count - mutants), rng)
        if len(children) == count:
            return children
        besides = history.problem.space.keys(children.population).tolist()
        more = draw_feasible(history, count - len(children), rng=rng, besides=besides)
        return children.join(more)

    def _breed(
        self,
        history: History,
        parents: NDArray[np.intp],
        quotas: Sequence[int],
        rng: np.random.Generator,
    ) -> Proposals:
        """Return feasible new children, at most the quota of each operator."""
        problem = history.problem
        space = problem.space
        children = Proposals.none(len(space.choices))
        missing, taken = list(quotas), set[int]()
        for attempt in range(2 * _TRIES):
            if attempt == _TRIES:  # parents too much alike to cross
                missing = [sum(missing), 0]
            sizes = [2 * n for n in missing]
            rows, pairs = self._children(history, parents, sizes, rng)
            within = np.flatnonzero(problem.feasible(rows))
            keys = space.keys(rows[within])
            fresh = history.fresh(keys, besides=taken)
            for operator, name in enumerate(_OPERATORS):
                made = (within[fresh] >= sizes[0]) == bool(operator)
                chosen = fresh[made][: missing[operator]]
                missing[operator] -= len(chosen)
                taken.update(keys[chosen].tolist())
                children = children.join(
                    Proposals(
                        rows[within[chosen]],
                        [name] * len(chosen),
                        _parent_keys(history, pairs[within[chosen]]),
                    )
                )
            if not any(missing):
                break
        return children

    def _children(
        self,
        history: History,
        parents: NDArray[np.intp],
        sizes: Sequence[int],
        rng: np.random.Generator,
    ) -> tuple[Population, NDArray[np.intp]]:
        """Return mutants, then crossed children, and the history positions of their parents.

        A mutant has the same parent twice.
        """
        space, population = history.problem.space, history.population
        mutants, crossed = sizes
        one = parents[rng.integers(0, len(parents), size=mutants)]
        rows = space.mutate(population[one], rng, probability=self.mutation_probability)
        pairs = np.stack([one, one], axis=1)
        if not crossed:
            return rows, pairs
        first = rng.integers(0, len(parents), size=crossed)
        second = (first + rng.integers(1, len(parents), size=crossed)) % len(parents)
        both = np.stack([parents[first], parents[second]], axis=1)
        mixed = space.crossover(population[both[:, 0]], population[both[:, 1]], rng)
        return np.concatenate([rows, mixed]), np.concatenate([pairs, both])


def _parent_keys(history: History, pairs: NDArray[np.intp]) -> list[tuple[int, ...]]:
    keys = history.keys
    return [
        (int(keys[first]),) if first == second else (int(keys[first]), int(keys[second]))
        for first, second in pairs.tolist()
    ]


def _fresh_start(best: NDArray[np.float64], patience: int) -> int:
    """Return the round in which the present line of descent begins.

    Args:
        best: The best gain of each round so far, float64 [rounds].
        patience: Rounds without a better one after which a line ends.
    """
    start, record, improved = 0, -np.inf, 0
    for round, gain in enumerate(best.tolist()):
        if gain > record:
            record, improved = gain, round
        elif round - improved >= patience:
            start, record, improved = round + 1, -np.inf, round + 1
    return start
