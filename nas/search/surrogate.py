"""A Gaussian process on choices: what a few hundred evaluations say about all other networks.

The kernel falls exponentially with the number of choices in which two canonical networks
differ, a choice that is inactive in one of them counting half (Hamming distance on the one-hot
encoding; Rasmussen and Williams 2006, chapters 2 and 5). Values are replaced by the normal
scores of their ranks, so that neither a long tail of failures nor the unit matters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from search_spaces import Population, SearchSpace

__all__ = ["ChoiceProcess", "Fit", "Fitted", "fit_choices", "normal_scores"]

_SCALES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)  # choices until the kernel has fallen to 1/e
_NOISES = (0.001, 0.01, 0.1, 0.5)  # variance beside a signal variance of one

Floats = NDArray[np.float64]


class Fitted(Protocol):
    """What predicts a value of every architecture and how sure that is."""

    def predict(self, population: Population) -> tuple[Floats, Floats]:
        """Return mean and standard deviation, float64 [n] each, of a population [n, d]."""


Fit: TypeAlias = Callable[[SearchSpace, Population, Floats, int], Fitted]
"""From a space, evaluated rows [n, d], their values [n] and a seed to a prediction."""


@dataclass(frozen=True, eq=False)
class ChoiceProcess:
    """A fitted process; see `fit_choices`.

    Attributes:
        space: The space.
        features: One-hot encoding of the evaluated networks, [m, sum of option counts].
        scale: Of the kernel, in choices.
        inverse: Of the lower Cholesky factor of the kernel matrix with noise, [m, m].
        weights: Solution of kernel matrix times weights = values, [m].
    """

    space: SearchSpace
    features: NDArray[np.float32]
    scale: float
    inverse: Floats
    weights: Floats

    def predict(self, population: Population) -> tuple[Floats, Floats]:
        """Return mean and standard deviation of the values, float64 [n] each."""
        distance = _distance(self.space.one_hot(population), self.features)
        kernel = np.exp(-distance / self.scale)
        explained = ((kernel @ self.inverse.T) ** 2).sum(axis=1)
        return kernel @ self.weights, np.sqrt(np.maximum(1.0 - explained, 1e-9))


def fit_choices(
    space: SearchSpace, population: Population, values: Floats, seed: int
) -> ChoiceProcess:
    """Fit scale and noise by the marginal likelihood on a grid; nothing is left to chance.

    Args:
        space: The space.
        population: Evaluated networks, int16 [m, d], at least one.
        values: Of them, float64 [m].
        seed: Not used; part of `Fit`.
    """
    features = space.one_hot(population)
    distance = _distance(features, features)
    scores, best, fitted = normal_scores(values), -np.inf, None
    for scale in _SCALES:
        for noise in _NOISES:
            kernel = np.exp(-distance / scale) + noise * np.eye(len(scores))
            lower = np.linalg.cholesky(kernel)
            inverse = np.linalg.inv(lower)
            half = inverse @ scores
            likelihood = -0.5 * float(half @ half) - float(np.log(np.diag(lower)).sum())
            if likelihood > best:
                best = likelihood
                fitted = ChoiceProcess(space, features, scale, inverse, inverse.T @ half)
    assert fitted is not None
    return fitted


def normal_scores(values: Floats) -> Floats:
    """Return the normal quantiles of the ranks of values, float64 [n]; ties share their mean."""
    _, position, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    middle = (ends - 0.5 * counts) / len(values)
    quantiles = np.array([NormalDist().inv_cdf(share) for share in middle.tolist()])
    return np.asarray(quantiles[position])


def _distance(first: NDArray[np.float32], second: NDArray[np.float32]) -> Floats:
    """Return in how many choices rows differ, float64 [n, m]."""
    lengths = first.sum(axis=1)[:, None] + second.sum(axis=1)[None, :]
    return np.asarray(0.5 * lengths - first @ second.T, dtype=np.float64)
