"""Constrained evolution of Single Path One-Shot and once-for-all.

Guo et al. 2020 (arXiv:1904.00420, section 3.4, algorithm 1) and Cai et al. 2020
(arXiv:1908.09791, section 3.4): the best architectures found so far are the parents, children
come from mutation and from uniform crossover, and those that break a limit are thrown away.
Here none is proposed twice, children that break a limit are repaired where too few meet it,
and a search that no longer finds anything better starts afresh, keeping what it found: a
population that has collapsed onto one network does not recover by itself. Each line of descent
is given twice the time of the last one, so that small spaces see many and large ones long ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nas.search.breeding import Breeding, at_least_one, uniformly
from nas.search.history import History, Proposals
from nas.search.sampling import draw_feasible

__all__ = ["Evolution", "ofa_evolution", "spos_evolution"]


@dataclass(frozen=True, slots=True)
class Evolution:
    """Top-k parents, mutation and crossover under hard limits.

    Attributes:
        parents: How many of the best feasible architectures of all rounds are parents.
        mutation_probability: With which a mutation redraws each choice.
        mutation_share: Share of a generation made by mutation; crossover makes the rest.
        patience: After so many rounds without a better architecture, parents are chosen from
            new random ones and their children only; it doubles with every fresh start. None
            never starts afresh.
    """

    parents: int = 10
    mutation_probability: float = 0.1
    mutation_share: float = 0.5
    patience: int | None = 8

    def __post_init__(self) -> None:
        patience = 1 if self.patience is None else self.patience
        at_least_one("evolution", parents=self.parents, patience=patience)
        self._breeding()  # refuses wrong numbers

    def _breeding(self) -> Breeding:
        return Breeding(self.mutation_probability, self.mutation_share)

    def propose(
        self, history: History, count: int, *, round: int, rng: np.random.Generator
    ) -> Proposals:
        """Return one generation; see `Searcher.propose`.

        The first one is random, and so is the first after a fresh start; what mutation and
        crossover cannot fill in bounded tries is filled with random architectures.
        """
        since = 0
        if self.patience is not None:
            since = _fresh_start(history.best_by_round(round), self.patience)
        parents = history.top(self.parents, since=since)
        if not len(parents):
            return draw_feasible(history, count, rng=rng)
        crossing = len(parents) > 1
        select = uniformly(parents)
        return self._breeding().generation(history, select, count, rng, crossing=crossing)


def spos_evolution(
    parents: int = 10, mutation_probability: float = 0.1, mutation_share: float = 0.5
) -> Evolution:
    """Return the evolution of Single Path One-Shot (Guo et al. 2020, section 3.4).

    The authors run 20 generations of 50; there is no fresh start.
    """
    return Evolution(parents, mutation_probability, mutation_share, patience=None)


def ofa_evolution(
    population: int = 100, mutation_probability: float = 0.1, mutation_share: float = 0.5
) -> Evolution:
    """Return the evolution of once-for-all (Cai et al. 2020, section 3.4).

    A quarter of the population are parents. The authors run 500 generations of 100; there is
    no fresh start.
    """
    parents = max(population // 4, 1)
    return Evolution(parents, mutation_probability, mutation_share, patience=None)


def _fresh_start(best: NDArray[np.float64], patience: int) -> int:
    """Return the round in which the present line of descent begins.

    Args:
        best: The best gain of each round so far, float64 [rounds].
        patience: Rounds without a better one after which the first line ends; it doubles with
            each line.
    """
    start, record, improved = 0, -np.inf, 0
    for round, gain in enumerate(best.tolist()):
        if gain > record:
            record, improved = gain, round
        elif round - improved >= patience:
            start, record, improved = round + 1, -np.inf, round + 1
            patience *= 2
    return start
