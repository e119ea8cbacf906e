"""Predictor-assisted search: fit what was evaluated, evolve on the prediction, evaluate, refit.

For evaluations of seconds and more. The loop of Bayesian optimisation with the population
engine as the optimiser of its acquisition, as in BANANAS (White et al. 2021, arXiv:1910.11858,
section 3) with upper confidence bounds (Srinivas et al. 2010).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nas.search.breeding import Breeding, at_least_one, uniformly
from nas.search.history import History, Proposals
from nas.search.sampling import draw_feasible
from nas.search.surrogate import Fit, Fitted, fit_choices
from search_spaces import Population

__all__ = ["AssistedSearch"]

_PARENTS = 20


@dataclass(frozen=True, slots=True)
class AssistedSearch:
    """Proposals that a prediction holds for good, or is unsure of.

    Attributes:
        first: Architectures drawn at random before the first fit.
        candidates: Architectures that are predicted in each of the generations.
        generations: Rounds of breeding on the prediction for one round of proposals.
        most: How many evaluated architectures are fitted at most: the best half of them and
            the latest.
        fit: Fits a prediction of the first objective's gain, deterministic by its seed.
    """

    first: int = 10
    candidates: int = 2000
    generations: int = 2
    most: int = 300
    fit: Fit = fit_choices

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
        """Return one round; see `Searcher.propose`.

        Each proposal is the best candidate by its own trade of mean against uncertainty, from
        the mean alone to two standard deviations.
        """
        if len(history) < self.first:
            return draw_feasible(history, count, rng=rng)
        fitted = self._fitted(history, rng)
        pool = draw_feasible(history, self.candidates, rng=rng)
        parents = history.top(_PARENTS)
        for _ in range(self.generations):
            if not len(parents):
                break
            known = set(history.problem.space.keys(pool.population).tolist())
            bred = Breeding(None, 0.5).generation(
                history, uniformly(parents), self.candidates, rng, crossing=len(parents) > 1
            )
            keys = history.problem.space.keys(bred.population)
            pool = pool.join(bred.take(history.fresh(keys, besides=known)))
        return pool.take(_chosen(fitted, pool.population, count))

    def _fitted(self, history: History, rng: np.random.Generator) -> Fitted:
        gains = history.problem.gains(history.values)[:, 0]
        rows = np.arange(len(gains))
        if len(rows) > self.most:
            best = np.argsort(-gains, kind="stable")[: self.most // 2]
            latest = np.setdiff1d(rows, best)[-(self.most - len(best)) :]
            rows = np.concatenate([best, latest])
        seed = int(rng.integers(2**31))
        return self.fit(history.problem.space, history.population[rows], gains[rows], seed)


def _chosen(fitted: Fitted, population: Population, count: int) -> NDArray[np.intp]:
    """Return positions of up to ``count`` different candidates."""
    mean, spread = fitted.predict(population)
    chosen: list[int] = []
    for trade in np.linspace(0.0, 2.0, count):
        promise = mean + trade * spread
        promise[chosen] = -np.inf
        if len(chosen) < len(population):
            chosen.append(int(promise.argmax()))
    return np.array(chosen, dtype=np.intp)
