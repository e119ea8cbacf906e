"""NSGA-II and NSGA-III: evolution towards the Pareto front of several objectives.

Deb et al. 2002 (NSGA-II) and Deb and Jain 2014 (NSGA-III). Limits are hard here, so every
member of a population is feasible; domination by constraints is left with nothing to decide.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from nas.search.breeding import Breeding, Select, at_least_one, uniformly
from nas.search.history import History, Proposals
from nas.search.sampling import draw_feasible
from nas.search.survival import survive_by_crowding, survive_by_niches

__all__ = ["NSGA2", "NSGA3"]

Survive: TypeAlias = Callable[[NDArray[np.float64], int], NDArray[np.intp]]


class _Population:
    """The survivors of every round, a function of the history that is computed once.

    Args:
        survive: Chooses survivors, see `survival`.
    """

    def __init__(self, survive: Survive) -> None:
        self._survive = survive
        self._known: WeakKeyDictionary[History, tuple[int, int, NDArray[np.intp]]]
        self._known = WeakKeyDictionary()

    def before(self, history: History, round: int, size: int) -> NDArray[np.intp]:
        """Return positions in the history of the population that enters a round, best first."""
        known, known_size, survivors = self._known.get(history, (0, size, np.empty(0, np.intp)))
        if known > round or known_size != size:
            known, survivors = 0, np.empty(0, np.intp)
        for past in range(known, round):
            start, end = np.searchsorted(history.rounds, [past, past + 1])
            new = np.arange(start, end)[history.feasible[start:end]]
            merged = np.concatenate([survivors, new])
            gains = history.problem.gains(history.values[merged])
            survivors = merged[self._survive(gains, size)] if len(merged) else merged
        self._known[history] = (round, size, survivors)
        return survivors


@dataclass(frozen=True)
class NSGA2:
    """Binary tournaments by front and crowding distance, crossover followed by mutation.

    Attributes:
        population: Survivors of a round; none keeps as many as a round proposes.
        mutation_probability: With which each choice of a child is redrawn; none redraws one on
            average.
        mutation_share: Share of the children that have one parent only.
    """

    population: int | None = None
    mutation_probability: float | None = None
    mutation_share: float = 0.5
    _survivors: _Population = field(
        init=False,
        repr=False,
        compare=False,
        default_factory=lambda: _Population(survive_by_crowding),
    )

    def __post_init__(self) -> None:
        at_least_one("nsga2", population=1 if self.population is None else self.population)
        self._breeding()  # refuses wrong numbers

    def _breeding(self) -> Breeding:
        return Breeding(self.mutation_probability, self.mutation_share, mutate_crossed=True)

    def propose(
        self, history: History, count: int, *, round: int, rng: np.random.Generator
    ) -> Proposals:
        """Return one generation; see `Searcher.propose`."""
        parents = self._survivors.before(history, round, self.population or count)
        if not len(parents):
            return draw_feasible(history, count, rng=rng)
        return self._breeding().generation(
            history, self._selection(parents), count, rng, crossing=len(parents) > 1
        )

    def _selection(self, parents: NDArray[np.intp]) -> Select:
        def tournament(count: int, rng: np.random.Generator) -> NDArray[np.intp]:
            winners: NDArray[np.intp] = rng.integers(0, len(parents), size=(count, 2)).min(axis=1)
            return parents[winners]

        return tournament


@dataclass(frozen=True)
class NSGA3(NSGA2):
    """Survivors spread over reference directions, for three objectives and more.

    Parents are drawn uniformly from the survivors; everything else is as in `NSGA2`.
    """

    _survivors: _Population = field(
        init=False,
        repr=False,
        compare=False,
        default_factory=lambda: _Population(survive_by_niches),
    )

    def _selection(self, parents: NDArray[np.intp]) -> Select:
        return uniformly(parents)
