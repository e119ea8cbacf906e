"""Fitting: candidates are compared by cross-validation, the best are averaged.

Nothing but the given rows decides; folds keep all copies of a network together.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from predictors.errors import PredictorError
from predictors.learned.execution import Execution
from predictors.learned.features import FEATURES, Encoder
from predictors.learned.fitting import FITTERS
from predictors.learned.predictor import (
    LearnedPredictor,
    Member,
    encode,
    is_logarithmic,
)
from predictors.provenance import Provenance
from predictors.ranking import kendall_tau_b, spearman
from search_spaces import Population, SearchSpace
from search_spaces.errors import nearest

__all__ = ["Candidate", "candidates_for", "fit"]

Floats: TypeAlias = NDArray[np.float64]

_FEWEST = 4
_MANY = 40
_ENOUGH_TO_CORRECT = 150
_FOLDS = 5
_LEAVE_ONE_OUT = 25
_AVERAGED = 3
_STANDARD_ERROR = 0.75
"""Of a mean absolute error, relative, times the root of the number of errors (normal errors)."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A regressor on some features.

    Attributes:
        model: One of `fitting.FITTERS`.
        features: Name for `features.Encoder`, or ``devices``.
        base: What it corrects: it is fitted on what the base leaves over.
    """

    model: str
    features: str
    base: Candidate | None = None

    def __post_init__(self) -> None:
        if self.model not in FITTERS:
            raise PredictorError(
                f"There is no model {self.model!r}. {nearest(self.model, FITTERS)}"
            )

    def __str__(self) -> str:
        over = f" over {self.base}" if self.base else ""
        return f"{self.model} on {self.features}{over}"


def candidates_for(space: SearchSpace, metric: str, rows: int) -> list[Candidate]:
    """Return what is worth trying for a metric and a number of measured networks.

    Few rows are tried on few features: prices of layers that no runtime makes negative.
    """
    views = _different_views(space)
    sums = [Candidate("additive", view) for view in views] if is_logarithmic(metric) else []
    if sums and rows < _MANY:
        return sums
    processes = [Candidate("gaussian_process", view) for view in (*views, "one_hot")]
    if rows < _MANY:
        return processes
    everything = "+".join(["one_hot", *views])
    models = ("forest", "boosting", "gaussian_process")
    more = [Candidate(model, everything) for model in models]
    return [*sums, *processes, *more, Candidate("ridge", "one_hot")]


def _different_views(space: SearchSpace) -> list[str]:
    """Return the layer features that differ between networks of a space."""
    sample = space.sample(64, np.random.default_rng(0))
    found: dict[bytes, str] = {}
    for name, view in FEATURES.items():
        if view is not None:
            found.setdefault(Encoder(space, name)(sample).tobytes(), name)
    return list(found.values())


def fit(
    space: SearchSpace,
    population: Population,
    values: Floats,
    *,
    metric: str,
    provenance: Provenance,
    candidates: Sequence[Candidate] | None = None,
    sources: Sequence[LearnedPredictor] = (),
    seed: int = 0,
) -> LearnedPredictor:
    """Fit the candidates, compare them by cross-validation and average the best.

    Networks that compute a constant (no path from input to output) are left out: a runtime
    folds them away, and no search wants them.

    Args:
        space: The space.
        population: Architectures, int [n, d].
        values: The metric of each in its unit, float64 [n].
        metric: Name with the unit in it.
        provenance: Where the values came from.
        candidates: What to try; `candidates_for` by default.
        sources: Predictors of other devices, for candidates on ``devices``.
        seed: Of folds and fits.

    Raises:
        PredictorError: Too few rows, lengths that differ, or values that are not finite, or
            not above zero for a metric other than an accuracy; or prices are to make up an
            accuracy.
    """
    values = _checked(space, population, values, metric)
    use = ~Execution(space).constant(population)
    rows, y = population[use], values[use]
    if len(y) < _FEWEST:
        raise PredictorError(
            f"A predictor of {metric} needs at least {_FEWEST} networks, got {len(y)}"
            f"{'' if use.all() else f' beside {int((~use).sum())} that compute a constant'}."
        )
    target = np.log(y) if is_logarithmic(metric) else y
    chosen = list(candidates or candidates_for(space, metric, len(y)))
    if any(c.model == "additive" for c in chosen) and not is_logarithmic(metric):
        raise PredictorError(
            f"{metric} is no sum of prices of layers: the model 'additive' is for costs such as "
            "latency_ms. Leave it out."
        )
    features = {
        name: encode(space, name, rows, sources)
        for name in dict.fromkeys(candidate.features for candidate in chosen)
    }
    folds = _folds(space.keys(rows), seed)
    trials = [_cross_validate(c, features, target, folds, seed) for c in chosen]
    if candidates is None and len(y) >= _ENOUGH_TO_CORRECT:
        more = _corrections(trials, list(features))
        trials += [_cross_validate(c, features, target, folds, seed) for c in more]
    kept = _best(trials, len(y))
    members = tuple(
        dataclasses.replace(_fit_member(t.candidate, features, target, seed), spread=t.spread)
        for t in kept
    )
    figures = _figures(kept, trials, target, len(values) - len(y))
    predicted = dataclasses.replace(provenance, kind="predicted")
    return LearnedPredictor(space, metric, predicted, members, figures, tuple(sources))


def _checked(space: SearchSpace, population: Population, values: Floats, metric: str) -> Floats:
    """Return the values as float64.

    Raises:
        PredictorError: See `fit`.
    """
    space.variables(population)  # refuses another number of columns
    values = np.asarray(values, dtype=np.float64)
    if values.shape != (len(population),):
        raise PredictorError(
            f"There are {len(population)} architectures and values of shape "
            f"{list(values.shape)}; give one {metric} for each."
        )
    wrong = ~np.isfinite(values) | ((values <= 0) & is_logarithmic(metric))
    if wrong.any():
        position = int(np.flatnonzero(wrong)[0])
        raise PredictorError(
            f"The {metric} of architecture {position} is {values[position]}; it must be a finite "
            f"number{' above zero' if is_logarithmic(metric) else ''}. Leave failed ones out."
        )
    return values


@dataclass(frozen=True, slots=True, eq=False)
class _Trial:
    """A candidate's predictions of rows that it was not fitted on."""

    candidate: Candidate
    predicted: Floats
    error: float
    spread: float


def _folds(keys: NDArray[np.uint64], seed: int) -> NDArray[np.int64]:
    """Return the fold of each row; copies of one network share it, few rows have one each."""
    _, network = np.unique(keys, return_inverse=True)
    count = int(network.max()) + 1
    folds = count if count <= _LEAVE_ONE_OUT else _FOLDS
    order = np.random.default_rng(seed).permutation(count)
    return np.asarray(order[network] % folds)


def _best(trials: Sequence[_Trial], rows: int) -> list[_Trial]:
    """Return the trials to average: none is worse than the best by more than a standard error."""
    ordered = sorted(trials, key=lambda trial: trial.error)
    limit = (1.0 + _STANDARD_ERROR / np.sqrt(rows)) * ordered[0].error
    return [trial for trial in ordered[:_AVERAGED] if trial.error <= limit]


def _corrections(trials: Sequence[_Trial], names: Sequence[str]) -> list[Candidate]:
    """Return candidates that correct the best sum of prices, on every feature at hand."""
    everything = max(names, key=len)
    sums = [trial for trial in trials if trial.candidate.model == "additive"]
    if not sums or "one_hot" not in everything:
        return []
    base = min(sums, key=lambda trial: trial.error).candidate
    return [Candidate(model, everything, base) for model in ("gaussian_process", "boosting")]


def _cross_validate(
    candidate: Candidate,
    features: Mapping[str, Floats],
    target: Floats,
    folds: NDArray[np.int64],
    seed: int,
) -> _Trial:
    predicted, std = np.zeros(len(target)), np.zeros(len(target))
    for fold in np.unique(folds):
        held = folds == fold
        known = {name: values[~held] for name, values in features.items()}
        member = _fit_member(candidate, known, target[~held], seed)
        asked = {name: values[held] for name, values in features.items()}
        predicted[held], std[held] = member.predict(asked)
    errors = predicted - target
    spread = float(np.sqrt(np.mean((errors / std) ** 2)))
    return _Trial(candidate, predicted, float(np.mean(np.abs(errors))), max(spread, 1e-9))


def _fit_member(
    candidate: Candidate, features: Mapping[str, Floats], target: Floats, seed: int
) -> Member:
    """Fit one candidate, and before it what it corrects."""
    base = None
    if candidate.base is not None:
        base = _fit_member(candidate.base, features, target, seed)
        target = target - base.predict(features)[0]
    own = features[candidate.features]
    columns = _varied(own)
    used = own[:, columns]
    if candidate.model == "additive":
        offset, scale = np.zeros(len(columns)), np.abs(used).max(axis=0, initial=0.0)
    else:
        offset, scale = used.mean(axis=0), used.std(axis=0)
    model = FITTERS[candidate.model]((used - offset) / scale, target, seed)
    return Member(candidate.features, columns, offset, scale, model, base=base)


def _varied(features: Floats) -> NDArray[np.int64]:
    """Return the columns that differ between rows; of proportional ones the first."""
    low, high = features.min(axis=0), features.max(axis=0)
    varied = np.flatnonzero(high - low > 1e-12 * np.maximum(np.abs(high), 1.0))
    unit = (features[:, varied] - low[varied]) / (high - low)[varied]
    _, first = np.unique(np.round(unit, 9), axis=1, return_index=True)
    return np.asarray(varied[np.sort(first)])


def _figures(
    kept: Sequence[_Trial], trials: Sequence[_Trial], target: Floats, constant: int
) -> dict[str, Any]:
    """Return what cross-validation found, for people and for the file."""
    predicted = np.mean([trial.predicted for trial in kept], axis=0)
    return {
        "networks": len(target),
        "constant_networks_left_out": constant,
        "spearman": spearman(predicted, target),
        "kendall": kendall_tau_b(predicted, target),
        "rmse": float(np.sqrt(np.mean((predicted - target) ** 2))),
        "averaged": [str(trial.candidate) for trial in kept],
        "candidates": {str(trial.candidate): trial.error for trial in trials},
    }
