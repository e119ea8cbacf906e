"""A learned predictor: populations in, a metric with its unit and its uncertainty out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from predictors.errors import PredictorError
from predictors.learned.features import Encoder
from predictors.learned.models import Model
from predictors.provenance import Provenance
from search_spaces import Architecture, Population, SearchSpace

__all__ = ["DEVICES", "LearnedPredictor", "Member", "is_logarithmic"]

Floats: TypeAlias = NDArray[np.float64]

DEVICES = "devices"
"""Features: what predictors of other devices say."""


def is_logarithmic(metric: str) -> bool:
    """Return whether a metric is fitted in its logarithm: every one but accuracies."""
    return "accuracy" not in metric


@dataclass(frozen=True, eq=False)
class Member:
    """One fitted regressor with what it reads.

    Attributes:
        features: Name for `features.Encoder`, or `DEVICES`.
        columns: Features that are used, int64 [k].
        offset: Subtracted from them, float64 [k].
        scale: They are divided by it afterwards, float64 [k].
        model: The regressor.
        spread: Factor on its standard deviation, from cross-validation.
        base: What the regressor corrects: their means are added.
    """

    features: str
    columns: NDArray[np.int64]
    offset: Floats
    scale: Floats
    model: Model
    spread: float = 1.0
    base: Member | None = None

    def predict(self, features: Mapping[str, Floats]) -> tuple[Floats, Floats]:
        """Return mean and standard deviation in the fitted scale, float64 [n] each.

        Args:
            features: Arrays [n, k] by name.
        """
        own = features[self.features][:, self.columns]
        mean, std = self.model.predict((own - self.offset) / self.scale)
        if self.base is not None:
            mean = mean + self.base.predict(features)[0]
        return mean, std * self.spread

    def names(self) -> list[str]:
        """Return the features that it reads."""
        return [self.features, *(self.base.names() if self.base else ())]


@dataclass(frozen=True, eq=False)
class LearnedPredictor:
    """Predicts one metric of architectures; made by `fit`, `transfer` or `load_predictor`.

    Attributes:
        space: The space it was fitted on.
        metric: Name with the unit in it, for example ``latency_ms``.
        provenance: Where the numbers it was fitted on came from.
        members: At least one; their mean is the prediction.
        figures: How well it predicted held-out architectures in cross-validation.
        sources: Predictors of other devices, for members that read `DEVICES`.
    """

    space: SearchSpace
    metric: str
    provenance: Provenance
    members: tuple[Member, ...]
    figures: Mapping[str, Any] = field(default_factory=dict)
    sources: tuple[LearnedPredictor, ...] = ()

    def __call__(self, population: Population) -> Floats:
        """Return the metric of every row in its unit, float64 [n], for a population [n, d]."""
        return self.predict(population)[0]

    def of(self, architecture: Architecture) -> float:
        """Return the metric of one architecture."""
        return float(self(self.space.encode(architecture)[None])[0])

    def predict(self, population: Population) -> tuple[Floats, Floats]:
        """Return mean and standard deviation of every row in the metric's unit.

        A metric that is fitted in its logarithm has the standard deviation mean * s, where s
        is that of the logarithm.

        Args:
            population: Int [n, d].

        Returns:
            Two arrays, float64 [n]. The standard deviation is scaled so that in
            cross-validation the errors are as large as it says; it holds the noise of a
            single measurement.
        """
        if not len(population):
            return np.zeros(0), np.zeros(0)
        names = dict.fromkeys(name for member in self.members for name in member.names())
        features = {name: self._features(name, population) for name in names}
        predicted = np.stack([member.predict(features) for member in self.members])
        means, stds = predicted[:, 0], predicted[:, 1]
        mean = means.mean(axis=0)
        std = np.sqrt((stds**2).mean(axis=0) + means.var(axis=0))
        if is_logarithmic(self.metric):
            mean = np.exp(mean)
            std = mean * std
        return mean, std

    def _features(self, name: str, population: Population) -> Floats:
        return encode(self.space, name, population, self.sources)


def encode(
    space: SearchSpace,
    name: str,
    population: Population,
    sources: Sequence[LearnedPredictor] = (),
) -> Floats:
    """Return features by name, float64 [n, k]: `features.FEATURES` and `DEVICES`, joined by ``+``.

    Raises:
        PredictorError: There are no such features, or no sources for `DEVICES`.
    """
    parts = []
    for part in name.split("+"):
        if part != DEVICES:
            parts.append(Encoder(space, part)(population))
        elif sources:
            parts.append(np.column_stack([source(population) for source in sources]))
        else:
            raise PredictorError("The features 'devices' need predictors of other devices.")
    return np.concatenate(parts, axis=1)
