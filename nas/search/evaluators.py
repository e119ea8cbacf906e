"""How proposals are evaluated: one after the other, or whole populations at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from nas.archive import Metric
from nas.errors import (
    ConfigError,
    InfeasibleError,
    InterruptedRunError,
    MissingExtraError,
    NasError,
    RunError,
)
from predictors.provenance import Provenance
from search_spaces import Architecture, Population, SearchSpace

__all__ = ["Evaluate", "EvaluatePopulation", "Outcomes", "outcomes"]

Evaluate: TypeAlias = Callable[[Architecture], Mapping[str, Metric]]
"""Measures one architecture; raises a NasError when that fails."""

_OF_THE_RUN = (
    ConfigError,
    InfeasibleError,
    InterruptedRunError,
    MissingExtraError,
    RunError,
)


@dataclass(frozen=True, slots=True)
class EvaluatePopulation:
    """A cheap evaluation that takes all architectures of a round at once.

    Attributes:
        function: From a population, int16 [n, d], to metrics by name, float64 [n]; NaN where
            an evaluation failed.
        provenance: Of all the metrics.
    """

    function: Callable[[Population], Mapping[str, NDArray[np.float64]]]
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Results that arrived together and are stored together.

    Attributes:
        positions: Rows of the asked population whose evaluation succeeded.
        metrics: By name, float64, one for each of ``positions``.
        provenance: Of each metric.
        failures: Why the evaluation of other rows failed, by position.
    """

    positions: tuple[int, ...] = ()
    metrics: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    provenance: Mapping[str, Provenance] = field(default_factory=dict)
    failures: Mapping[int, str] = field(default_factory=dict)


def outcomes(
    evaluate: Evaluate | EvaluatePopulation,
    space: SearchSpace,
    population: Population,
    positions: Sequence[int],
) -> Iterator[Outcomes]:
    """Evaluate some rows of a population and yield results as they arrive.

    A result that is not finite is a failure, and so is any error about the architecture.
    Errors about the whole run (configuration, run folder, a missing package, an interrupt)
    are raised.
    """
    if isinstance(evaluate, EvaluatePopulation):
        if positions:
            yield _together(evaluate, population, positions)
        return
    for position in positions:
        yield _single(evaluate, space.decode(population[position]), position)


def _single(evaluate: Evaluate, architecture: Architecture, position: int) -> Outcomes:
    try:
        metrics = evaluate(architecture)
    except _OF_THE_RUN:
        raise
    except NasError as error:
        return Outcomes(failures={position: str(error)})
    for name, metric in metrics.items():
        if not math.isfinite(metric.value):
            return Outcomes(failures={position: f"{name} is {metric.value}"})
    return Outcomes(
        (position,),
        {name: np.array([metric.value]) for name, metric in metrics.items()},
        {name: metric.provenance for name, metric in metrics.items()},
    )


def _together(
    evaluate: EvaluatePopulation, population: Population, positions: Sequence[int]
) -> Outcomes:
    metrics = {
        name: np.asarray(values, dtype=np.float64)
        for name, values in evaluate.function(population[list(positions)]).items()
    }
    failures: dict[int, str] = {}
    for name, values in metrics.items():
        for index in np.flatnonzero(~np.isfinite(values)).tolist():
            failures.setdefault(positions[index], f"{name} is {values[index]}")
    if not failures:
        origins = dict.fromkeys(metrics, evaluate.provenance)
        return Outcomes(tuple(positions), metrics, origins)
    good = [i for i, position in enumerate(positions) if position not in failures]
    return Outcomes(
        tuple(positions[i] for i in good),
        {name: values[good] for name, values in metrics.items()},
        dict.fromkeys(metrics, evaluate.provenance),
        failures,
    )
