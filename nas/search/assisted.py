"""Predictor-assisted search: fit what was evaluated, propose what promises most, refit.

For evaluations of seconds and more. The loop of Bayesian optimisation, as in BANANAS (White et
al. 2021, arXiv:1910.11858, section 3), with expected improvement. Of a small space all networks
are predicted; of a larger one random networks and several generations bred from the best.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from nas.search.acquisition import choose_batch
from nas.search.breeding import Breeding, at_least_one, uniformly
from nas.search.history import History, Proposals
from nas.search.sampling import draw_feasible
from nas.search.surrogate import Fit, Fitted, fit_networks
from search_spaces import Population, SearchSpace

__all__ = ["AssistedSearch"]

_PARENTS = 20
_LISTED = 20_000


@dataclass(frozen=True, slots=True)
class AssistedSearch:
    """Proposals from which a prediction expects most improvement.

    Attributes:
        first: Architectures drawn at random before the first fit.
        candidates: Architectures of a larger space that are predicted in each of the
            generations; one of at most 20,000 is predicted whole.
        generations: Rounds of breeding on the prediction for one round of proposals.
        most: How many evaluated architectures are fitted at most: the best half of them and
            the latest.
        fit: Fits a prediction of the first objective's gain, deterministic by its seed.
    """

    first: int = 10
    candidates: int = 2000
    generations: int = 2
    most: int = 300
    fit: Fit = field(default=fit_networks, repr=False)

    def __post_init__(self) -> None:
        at_least_one(
            "assisted",
            first=self.first,
            candidates=self.candidates,
            generations=self.generations,
            most=self.most,
        )

    def propose(
        self, history: History, count: int, *, round: int, rng: np.random.Generator
    ) -> Proposals:
        """Return one round; see `Searcher.propose`."""
        if len(history) < self.first:
            return draw_feasible(history, count, rng=rng)
        fitted, evaluated = self._fitted(history, rng)
        best = float(fitted.predict(evaluated).mean.max())
        pool = self._pool(history, rng)
        new = history.fresh(history.problem.space.keys(pool.population))
        return pool.take(choose_batch(fitted.predict(pool.population), new, best, count))

    def _pool(self, history: History, rng: np.random.Generator) -> Proposals:
        """Return feasible candidates, of a small space those already evaluated too."""
        problem = history.problem
        rows = _listed(problem.space)
        if len(rows):
            rows = rows[problem.feasible(rows)]
            return Proposals(rows, ["prediction"] * len(rows), [()] * len(rows))
        pool = draw_feasible(history, self.candidates, rng=rng)
        parents = history.top(_PARENTS)
        for _ in range(self.generations if len(parents) else 0):
            known = set(problem.space.keys(pool.population).tolist())
            bred = Breeding(None, 0.5).generation(
                history, uniformly(parents), self.candidates, rng, crossing=len(parents) > 1
            )
            keys = problem.space.keys(bred.population)
            pool = pool.join(bred.take(history.fresh(keys, besides=known)))
        return pool

    def _fitted(self, history: History, rng: np.random.Generator) -> tuple[Fitted, Population]:
        """Return the prediction and the architectures it was fitted to."""
        gains = history.problem.gains(history.values)[:, 0]
        rows = np.arange(len(gains))
        if len(rows) > self.most:
            best = np.argsort(-gains, kind="stable")[: self.most // 2]
            latest = np.setdiff1d(rows, best)[-(self.most - len(best)) :]
            rows = np.concatenate([best, latest])
        seed, population = int(rng.integers(2**31)), history.population[rows]
        return self.fit(history.problem.space, population, gains[rows], seed), population


@lru_cache(maxsize=2)
def _listed(space: SearchSpace) -> Population:
    """Return all networks of a small space once, of a larger one none, int16 [n, d]."""
    if not space.enumerable or space.size > _LISTED:
        return np.empty((0, len(space.choices)), dtype=np.int16)
    return space.unique(space.enumerated)
