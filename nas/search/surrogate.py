"""A Gaussian process on networks: what a few hundred evaluations say about all the others.

Two networks are compared in what they compute, so that whatever the output does not depend on
is left out. The kernel is a sum of two, each of which falls exponentially with a distance:

* in how many choices they differ, a choice that only one of them has counting half;
* how far apart their layers are: of each kind the number, the MACs and the output elements.

The first tells where something is, the second how much of it there is in all (Rasmussen and
Williams 2006, chapters 2, 4 and 5). Values are replaced by the normal scores of their ranks, so
that neither a long tail of failures nor the unit matters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from statistics import NormalDist
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nas.rng import stream
from predictors.learned import Encoder
from search_spaces import Population, SearchSpace

__all__ = ["Fit", "Fitted", "Prediction", "fit_networks", "normal_scores"]

Floats = NDArray[np.float64]

_COMPARED = 1024  # networks drawn to learn how much each feature of layers varies in a space
_STEPS = (1.4, 0.7, 0.35)  # of the search for the hyperparameters, which are logarithms
_DOUBT = 1.5  # standard deviation of their prior
# scale in choices, scale in layers, variance of each of the two, variance of the noise
_PRIOR = np.log([8.0, 1.0, 0.5, 0.5, 0.05])
_LEAST = np.log([0.5, 0.05, 1e-3, 1e-3, 1e-3])


@dataclass(frozen=True, eq=False)
class Prediction:
    """What is predicted of candidates.

    Attributes:
        mean: Float64 [n]; more is better.
        spread: Standard deviation, float64 [n].
    """

    mean: Floats
    spread: Floats

    def take(self, positions: NDArray[np.intp]) -> Prediction:
        """Return what is predicted of some of the candidates."""
        return replace(self, mean=self.mean[positions], spread=self.spread[positions])

    def after(self, position: int) -> Prediction:
        """Return the prediction once a candidate has been evaluated and is as predicted.

        This one does not know what one candidate tells about another: nothing changes.
        """
        return self


class Fitted(Protocol):
    """What predicts a value of every architecture and how sure that is."""

    def predict(self, population: Population) -> Prediction:
        """Return what is predicted of a population [n, d]."""


Fit: TypeAlias = Callable[[SearchSpace, Population, Floats, int], Fitted]
"""From a space, evaluated rows [n, d], their values [n] and a seed to a prediction."""


@dataclass(frozen=True, eq=False)
class Features:
    """What networks are compared by.

    Attributes:
        choices: One-hot, float64 [n, options]; all zero where a choice changes nothing.
        layers: Float64 [n, k], scaled so that random networks are about one apart.
    """

    choices: Floats
    layers: Floats

    @classmethod
    def of(cls, space: SearchSpace, population: Population) -> Features:
        """Return the features of a population [n, d]; do not write to them."""
        return _encoded(space, population.astype(np.int16).tobytes())

    def take(self, positions: NDArray[np.intp]) -> Features:
        """Return the features of some of the networks."""
        return Features(self.choices[positions], self.layers[positions])

    def distances(self, others: Features) -> tuple[Floats, Floats]:
        """Return in how many choices networks differ, and how far layers are apart, [n, m]."""
        choices = 0.5 * _squares(self.choices, others.choices)
        return choices, np.sqrt(_squares(self.layers, others.layers))


@dataclass(frozen=True, eq=False)
class NetworkProcess:
    """A fitted process; see `fit_networks`.

    Attributes:
        space: The space.
        features: Of the evaluated networks, m of them.
        parameters: Logarithms of the two scales, the two variances and the noise's, [5].
        inverse: Of the lower Cholesky factor of the kernel matrix with noise, [m, m].
        weights: Solution of kernel matrix times weights = values, [m].
    """

    space: SearchSpace
    features: Features
    parameters: Floats
    inverse: Floats
    weights: Floats

    def predict(self, population: Population) -> Prediction:
        """Return what is predicted of a population [n, d]."""
        features = Features.of(self.space, population)
        kernel = _kernel(features.distances(self.features), self.parameters)
        explained = kernel @ self.inverse.T
        variance = np.exp(self.parameters[2:4]).sum() - (explained**2).sum(axis=1)
        mean = kernel @ self.weights
        return _Joint(mean, _deviation(variance), self.parameters, features, explained)


@dataclass(frozen=True, eq=False)
class _Joint(Prediction):
    """A prediction that knows how candidates vary together.

    Attributes:
        parameters: Of the process.
        features: Of the candidates, n of them.
        explained: What evaluations explain of the candidates' covariance is this times its
            transpose, float64 [n, m].
    """

    parameters: Floats
    features: Features
    explained: Floats

    def take(self, positions: NDArray[np.intp]) -> Prediction:
        """See `Prediction`."""
        mean, spread = self.mean[positions], self.spread[positions]
        features, explained = self.features.take(positions), self.explained[positions]
        return _Joint(mean, spread, self.parameters, features, explained)

    def after(self, position: int) -> Prediction:
        """See `Prediction`; a Kriging believer (Ginsbourger et al. 2010, section 4)."""
        one = self.features.take(np.array([position]))
        covariance = _kernel(self.features.distances(one), self.parameters)[:, 0]
        covariance -= self.explained @ self.explained[position]
        column = covariance / np.sqrt(covariance[position] + np.exp(self.parameters[4]))
        spread = _deviation(self.spread**2 - column**2)
        return replace(self, spread=spread, explained=np.column_stack([self.explained, column]))


def fit_networks(
    space: SearchSpace, population: Population, values: Floats, seed: int
) -> NetworkProcess:
    """Fit the kernel to its largest posterior probability; nothing is left to chance.

    Args:
        space: The space.
        population: Evaluated networks, int16 [m, d], at least one.
        values: Of them, float64 [m].
        seed: Not used; part of `Fit`.
    """
    scores = normal_scores(values)
    features = Features.of(space, population)
    distances = features.distances(features)
    parameters, loss = _PRIOR, _loss(distances, scores, _PRIOR)
    for step in _STEPS:
        for number in range(len(parameters)):
            for move in (step, -step):
                while True:
                    moved = parameters.copy()
                    moved[number] = max(moved[number] + move, _LEAST[number])
                    after = _loss(distances, scores, moved)
                    if after >= loss:
                        break
                    parameters, loss = moved, after
    inverse = np.linalg.inv(np.linalg.cholesky(_covariance(distances, parameters)))
    return NetworkProcess(space, features, parameters, inverse, inverse.T @ (inverse @ scores))


def normal_scores(values: Floats) -> Floats:
    """Return the normal quantiles of the ranks of values, float64 [n]; ties share their mean."""
    _, position, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    middle = (ends - 0.5 * counts) / len(values)
    quantiles = np.array([NormalDist().inv_cdf(share) for share in middle.tolist()])
    return np.asarray(quantiles[position])


def _deviation(variance: Floats) -> Floats:
    return np.asarray(np.sqrt(np.maximum(variance, 1e-9)))


def _kernel(distances: tuple[Floats, Floats], parameters: Floats) -> Floats:
    scales, variances = np.exp(parameters[:2]), np.exp(parameters[2:4])
    first, second = (
        variance * np.exp(distance / -scale)
        for distance, scale, variance in zip(distances, scales, variances, strict=True)
    )
    return np.asarray(first + second)


def _covariance(distances: tuple[Floats, Floats], parameters: Floats) -> Floats:
    covariance = _kernel(distances, parameters)
    covariance.flat[:: len(covariance) + 1] += np.exp(parameters[4])
    return covariance


def _loss(distances: tuple[Floats, Floats], scores: Floats, parameters: Floats) -> float:
    """Return the negative logarithm of likelihood times prior, but for a constant."""
    size = len(scores)
    bordered = np.empty((size + 1, size + 1))
    bordered[:size, :size] = _covariance(distances, parameters)
    bordered[size, :size] = scores  # the last row of the factor is then what solves for them
    bordered[size, size] = 1.0 + (scores @ scores) / np.exp(parameters[4])
    lower = np.linalg.cholesky(bordered)
    half, scale = lower[size, :size], np.diag(lower)[:size]
    prior = (((parameters - _PRIOR) / _DOUBT) ** 2).sum()
    return float(0.5 * (half @ half + prior) + np.log(scale).sum())


def _squares(first: Floats, second: Floats) -> Floats:
    """Return squared Euclidean distances, float64 [n, m]."""
    lengths = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1)
    return np.asarray(np.maximum(lengths - 2.0 * first @ second.T, 0.0))


@lru_cache(maxsize=4)  # the candidates of a small space stay the same from round to round
def _encoded(space: SearchSpace, rows: bytes) -> Features:
    population = np.frombuffer(rows, dtype=np.int16).reshape(-1, len(space.choices))
    mean, scale = _spread(space)
    layers = (_layers(space, population) - mean) * scale
    return Features(Encoder(space, "live_one_hot")(population), layers)


@lru_cache(maxsize=8)
def _spread(space: SearchSpace) -> tuple[Floats, Floats]:
    """Return mean and factor of each feature of layers; constant ones count zero."""
    drawn = _layers(space, space.sample(_COMPARED, stream(0, "surrogate")))
    deviation = drawn.std(axis=0)
    varies = deviation > 1e-9
    scale = varies / np.where(varies, deviation * np.sqrt(max(varies.sum(), 1)), 1.0)
    return drawn.mean(axis=0), scale


def _layers(space: SearchSpace, population: Population) -> Floats:
    return np.asarray(np.log1p(Encoder(space, "live_layers")(population)))
