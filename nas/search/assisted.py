"""Predictor-assisted search: fit what was evaluated, evolve on the prediction, evaluate, refit.

For evaluations of seconds and more. The loop of Bayesian optimisation with the population
engine as the optimiser of its acquisition, as in BANANAS (White et al. 2021, arXiv:1910.11858,
section 3) with upper confidence bounds (Srinivas et al. 2010).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from nas.search.breeding import Breeding, at_least_one, uniformly
from nas.search.history import History, Proposals
from nas.search.sampling import draw_feasible
from nas.search.surrogate import Fit, Fitted, Floats, fit_networks
from search_spaces import Population, SearchSpace

__all__ = ["AssistedSearch"]

_PARENTS = 20
_LISTED = 20_000  # a space of so many networks is predicted whole
_LIKELY = 500  # candidates that are compared again after each choice
_FAR = -6.0  # standard deviations


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
    fit: Fit = fit_networks

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
        pool = self._pool(history, rng)
        return pool.take(self._chosen(history, fitted, pool, count))

    def _pool(self, history: History, rng: np.random.Generator) -> Proposals:
        """Return the candidates: of a small space all that are feasible, evaluated ones too."""
        problem = history.problem
        listed = _listed(problem.space)
        if len(listed):
            rows = listed[problem.feasible(listed)]
            return Proposals(rows, ["prediction"] * len(rows), [()] * len(rows))
        pool = draw_feasible(history, self.candidates, rng=rng)
        parents = history.top(_PARENTS)
        for _ in range(self.generations):
            if not len(parents):
                break
            known = set(problem.space.keys(pool.population).tolist())
            bred = Breeding(None, 0.5).generation(
                history, uniformly(parents), self.candidates, rng, crossing=len(parents) > 1
            )
            keys = problem.space.keys(bred.population)
            pool = pool.join(bred.take(history.fresh(keys, besides=known)))
        return pool

    def _fitted(self, history: History, rng: np.random.Generator) -> Fitted:
        gains = history.problem.gains(history.values)[:, 0]
        rows = np.arange(len(gains))
        if len(rows) > self.most:
            best = np.argsort(-gains, kind="stable")[: self.most // 2]
            latest = np.setdiff1d(rows, best)[-(self.most - len(best)) :]
            rows = np.concatenate([best, latest])
        seed = int(rng.integers(2**31))
        return self.fit(history.problem.space, history.population[rows], gains[rows], seed)


    def _chosen(
        self, history: History, fitted: Fitted, pool: Proposals, count: int
    ) -> NDArray[np.intp]:
        """Return positions of up to ``count`` new candidates, most promising first."""
        best = fitted.predict(history.population).mean.max()
        predicted = fitted.predict(pool.population)
        promise = log_improvement(predicted.mean, predicted.spread, best)
        new = history.fresh(history.problem.space.keys(pool.population))
        likely = new[np.argsort(-promise[new], kind="stable")[: count + _LIKELY]]
        predicted = predicted.take(likely)
        chosen: list[int] = []
        while len(chosen) < min(count, len(likely)):
            promise = log_improvement(predicted.mean, predicted.spread, best)
            promise[chosen] = -np.inf
            chosen.append(int(promise.argmax()))
            predicted = predicted.after(chosen[-1])
        return likely[chosen]


def log_improvement(mean: Floats, spread: Floats, best: float) -> Floats:
    """Return the logarithm of the expected improvement over the best, float64 [n].

    Jones et al. 1998, equation 15; far below the best its asymptote, as it vanishes there.
    """
    z = (mean - best) / spread
    near = np.maximum(z, _FAR)
    density = np.exp(-0.5 * near**2) / math.sqrt(2 * math.pi)
    below = np.array([0.5 * math.erfc(-x / math.sqrt(2)) for x in near.tolist()])
    tail = -0.5 * z**2 - np.log(math.sqrt(2 * math.pi) * np.minimum(z, _FAR) ** 2)
    return np.asarray(np.log(spread) + np.where(z > _FAR, np.log(density + near * below), tail))


@lru_cache(maxsize=2)
def _listed(space: SearchSpace) -> Population:
    """Return all networks of a small space once, of a larger one none, int16 [n, d]."""
    if not space.enumerable or len(space.enumerated) > _LISTED:
        return np.empty((0, len(space.choices)), dtype=np.int16)
    return space.unique(space.enumerated)
