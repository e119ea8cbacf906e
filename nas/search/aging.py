"""Aging (regularised) evolution.

Real et al. 2019 (arXiv:1802.01548, section 3.2, algorithm 1): the population is a queue of the
architectures evaluated last, a child is the mutation of the best of a random sample of it, and
the oldest leaves however good it is. Here a round makes several children at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nas.search.breeding import Breeding, at_least_one
from nas.search.history import History, Proposals
from nas.search.sampling import draw_feasible

__all__ = ["AgingEvolution"]


@dataclass(frozen=True, slots=True)
class AgingEvolution:
    """Mutations of tournament winners among the architectures evaluated last.

    Attributes:
        population: How many of the feasible architectures evaluated last take part; so many
            are drawn at random first.
        tournament: How many of them compete to be the parent of one child.
        mutation_probability: With which each choice is redrawn; none redraws one on average.
    """

    population: int = 100
    tournament: int = 25
    mutation_probability: float | None = None

    def __post_init__(self) -> None:
        at_least_one("aging", population=self.population, tournament=self.tournament)
        self._breeding()  # refuses wrong numbers

    def _breeding(self) -> Breeding:
        return Breeding(self.mutation_probability, mutation_share=1.0)

    def propose(
        self, history: History, count: int, *, round: int, rng: np.random.Generator
    ) -> Proposals:
        """Return one round; see `Searcher.propose`."""
        youngest = np.flatnonzero(history.feasible)[-self.population :]
        if len(youngest) < self.population and history.proposed < self.population:
            return draw_feasible(history, count, rng=rng)
        if not len(youngest):
            return draw_feasible(history, count, rng=rng)
        gains = history.problem.gains(history.values[youngest])[:, 0]

        def select(count: int, rng: np.random.Generator) -> NDArray[np.intp]:
            entrants = rng.integers(0, len(youngest), size=(count, self.tournament))
            winners = gains[entrants].argmax(axis=1, keepdims=True)
            return youngest[np.take_along_axis(entrants, winners, axis=1)[:, 0]]

        return self._breeding().generation(history, select, count, rng, crossing=False)
