"""Shrinking a search space: which options the evidence, or a window on a cost, speaks against.

Evidence is what a search evaluated. For every choice the metric is fitted by least squares over
the option taken and a cost (linear and squared), so options are compared at equal cost; an
option is dropped when it is worse than the choice's best one with the asked confidence, all
comparisons taken together (Bonferroni). AttentiveNAS (Wang et al. 2021, arXiv:2011.09011) and
NEAS (Chen et al. 2021, arXiv:2104.00597) decide by what trained subnets score too. Of ensembles
an option also stays when they are surely more diverse with it, as NEAS asks for potential and
diversity. A search that chases the optimum evaluates a biased sample: evidence is best taken from
``searcher = "random"``.

A window on a cost, or a band of the ratio of two (Network Pruning Spaces: MACs to parameters),
drops options by proof: those with which no architecture of the space lies in it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from nas.errors import ConfigError, InfeasibleError
from predictors import CostTable
from predictors.cost import weighted_minimum
from search_spaces import Choice, Option, Population, SearchSpace
from search_spaces.counting import Count, count_at_most, count_within_ratio
from search_spaces.ensemble import EnsembleSpace
from search_spaces.tables import Table

__all__ = ["Band", "Evidence", "gather", "outside", "remaining", "worse"]

_FEWEST = 5  # evaluations with an option, to say anything of it
_FREEDOM = 20  # evaluations beyond what is fitted

Floats = NDArray[np.float64]
Dropped = dict[str, list[Option]]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What evaluations say of one option.

    Attributes:
        choice: Name in the space of single networks.
        option: One of its options.
        evaluations: Networks, or ensembles, that have it.
        best: The option of the choice that it is compared with: the best.
        loss: By how much the metric is lower than with the best one, at equal cost.
        error: Standard error of the loss.
        diversity: By how much the diversity is higher than with the best one; 0 of subnets.
        diversity_error: Its standard error.
        is_worse: Whether it is surely worse, and surely no more diverse.
    """

    choice: str
    option: Option
    evaluations: int
    best: Option
    loss: float
    error: float
    diversity: float
    diversity_error: float
    is_worse: bool


def gather(
    space: SearchSpace,
    population: Population,
    values: Floats,
    costs: Floats,
    *,
    diversity: Floats | None = None,
    confidence: float = 0.95,
) -> list[Evidence]:
    """Compare the options of every choice at equal cost.

    Args:
        space: Of the evaluated networks; of ensembles, members count alike.
        population: What was evaluated, int16 [n, d].
        values: The metric, more is better, [n].
        costs: The cost at which options are compared, [n].
        diversity: Of ensembles, [n].
        confidence: With which an option must be worse, for all options together.

    Returns:
        One for every option of choices with several, except those seen too rarely.

    Raises:
        ConfigError: The confidence is not between 0 and 1, or there are too few evaluations.
    """
    if not 0 < confidence < 1:
        raise ConfigError(f"confidence {confidence}: must lie between 0 and 1, for example 0.95.")
    if len(population) < _FREEDOM + _FEWEST:
        raise ConfigError(
            f"{len(population)} evaluations say too little of single options; at least "
            f"{_FREEDOM + _FEWEST} are needed, some hundred are better. Search on, with "
            'searcher = "random" for an unbiased sample.'
        )
    population = space.canonical(population)
    active = ~space.inactive(population)
    choices = [c for c in _choices(space) if len(c.options) > 1]
    # Which option is best is not known before: any may be worse than any other.
    tests = sum(len(choice.options) * (len(choice.options) - 1) for choice in choices)
    found: list[Evidence] = []
    for choice in choices:
        taken = _taken(space, choice, population, active)
        seen = np.flatnonzero((taken > 0).sum(axis=0) >= _FEWEST)
        fit = _Fit(taken[:, seen], costs, values)
        if len(seen) < 2 or fit.freedom < _FREEDOM:
            continue
        bound = _quantile(1 - (1 - confidence) / tests, fit.freedom)
        top = int(fit.effects.argmax())
        spread = None if diversity is None else _Fit(taken[:, seen], costs, diversity)
        for column in range(len(seen)):
            loss, error = fit.difference(top, column)
            more, its_error = (0.0, 0.0) if spread is None else spread.difference(column, top)
            diverse = more > bound * its_error
            found.append(
                Evidence(
                    choice.name,
                    choice.options[seen[column]],
                    int((taken[:, seen[column]] > 0).sum()),
                    choice.options[seen[top]],
                    loss,
                    error,
                    more,
                    its_error,
                    is_worse=column != top and loss > bound * error and not diverse,
                )
            )
    return found


def worse(evidence: Iterable[Evidence]) -> Dropped:
    """Return the options that the evidence speaks against, by choice."""
    dropped: Dropped = {}
    for entry in evidence:
        if entry.is_worse:
            dropped.setdefault(entry.choice, []).append(entry.option)
    return dropped


def _choices(space: SearchSpace) -> Sequence[Choice]:
    """Return the choices of which options are dropped: of ensembles those of their members."""
    return space.base.choices if isinstance(space, EnsembleSpace) else space.choices


def _taken(
    space: SearchSpace, choice: Choice, population: Population, active: NDArray[np.bool_]
) -> Floats:
    """Return how often a network has each option of a choice, [n, options].

    In an ensemble it is the share of the members, what they share counting for all of them.
    """
    result = np.zeros((len(population), len(choice.options)))
    members = space.members if isinstance(space, EnsembleSpace) else 1
    names = {choice.name: 1.0, **{f"m{i + 1}.{choice.name}": 1 / members for i in range(members)}}
    for column, own in enumerate(space.choices):
        if own.name in names:
            hits = population[:, column, None] == np.arange(len(own.options))
            result += names[own.name] * (hits & active[:, column, None])
    return result


class _Fit:
    """Least squares of a value over the options taken, at equal cost."""

    def __init__(self, taken: Floats, costs: Floats, values: Floats) -> None:
        spread = float(costs.std()) or 1.0
        cost = (costs - costs.mean()) / spread
        design = np.column_stack([taken, np.ones(len(cost)), cost, cost**2])
        inverse = np.linalg.pinv(design)
        solution = inverse @ values
        self.freedom = len(values) - int(np.linalg.matrix_rank(design))
        residual = values - design @ solution
        variance = float(residual @ residual) / max(self.freedom, 1)
        self.effects: Floats = solution[: taken.shape[1]]
        self._covariance = variance * (inverse @ inverse.T)

    def difference(self, first: int, second: int) -> tuple[float, float]:
        """Return the effect of an option less that of another, and its standard error."""
        c = self._covariance
        variance = c[first, first] + c[second, second] - 2 * c[first, second]
        return float(self.effects[first] - self.effects[second]), math.sqrt(max(variance, 0.0))


def _quantile(probability: float, freedom: int) -> float:
    """Return a quantile of Student's t (Abramowitz and Stegun 1964, 26.7.5; freedom >= 20)."""
    z = NormalDist().inv_cdf(probability)
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)


@dataclass(frozen=True, slots=True)
class Band:
    """A window on a cost, or on the ratio of two.

    Attributes:
        cost: The cost, or what is divided.
        low: The smallest value that counts.
        high: The largest value that counts.
        over: What it is divided by, above zero in every network; None for the cost alone.
    """

    cost: CostTable
    low: Fraction
    high: Fraction
    over: CostTable | None = None

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ConfigError(
                f"{self}: the lower end lies above the upper one. Write it as LOW..HIGH."
            )
        for cost in (self.cost, self.over):
            if cost is not None and cost.reduce != "sum":
                raise ConfigError(
                    f"{cost.metric} is a maximum over blocks: a window on it is a limit of the "
                    f"search. Set search.limits.{cost.metric}."
                )

    def __str__(self) -> str:
        name = self.cost.metric if self.over is None else f"{self.cost.metric}/{self.over.metric}"
        return f"{name} {float(self.low):,.6g} to {float(self.high):,.6g}"

    def count(self) -> Count:
        """Return how many different architectures are inside, exactly or between bounds."""
        space, tables = self.cost.space, self.cost.tables
        if self.over is not None:
            return count_within_ratio(
                space, tables, self.over.tables, low=self.low, high=self.high
            )
        low, high = (float(edge) - self.cost.constant for edge in (self.low, self.high))
        upto = count_at_most(space, tables, high)
        below = count_at_most(space, tables, float(np.nextafter(low, -np.inf)))
        return Count(max(upto.low - below.high, 0), upto.high - below.low)

    def excludes(self, allowed: Sequence[Table]) -> bool:
        """Return whether no architecture for which all tables of bool are true is inside."""
        rounding = 1e-9 * self.cost.maximum().value
        ends = [(-1.0, float(self.low)), (1.0, -float(self.high))]
        for sign, edge in ends:
            costs = [self.cost] if self.over is None else [self.cost, self.over]
            weights = [sign] if self.over is None else [sign, edge]
            beyond = 0.0 if self.over is not None else edge
            if weighted_minimum(costs, weights, allowed=allowed).value + beyond > rounding:
                return True
        return False


def outside(space: SearchSpace, bands: Sequence[Band]) -> Dropped:
    """Return the options with which no architecture of a space lies in all bands.

    Each band is asked by itself, so an option that only several bands together exclude stays.

    Raises:
        InfeasibleError: No architecture at all lies in one of them.
    """
    for band in bands:
        if band.excludes(()):
            raise InfeasibleError(
                f"No architecture of {space.name} has {band}. It has {_range(band)}; widen the "
                "window."
            )
    dropped: Dropped = {}
    for column, choice in enumerate(space.choices):
        for index, option in enumerate(choice.options):
            only = Table((column,), np.arange(len(choice.options)) == index)
            used = [only, *_active(space, column)]
            if any(band.excludes(used) for band in bands):
                dropped.setdefault(choice.name, []).append(option)
    return {name: options for name, options in dropped.items() if _leaves(space, name, options)}


def _leaves(space: SearchSpace, name: str, options: Sequence[Option]) -> bool:
    """Return whether dropping options leaves one of the choice."""
    (choice,) = (choice for choice in space.choices if choice.name == name)
    return len(options) < len(choice.options)


def _active(space: SearchSpace, column: int) -> list[Table]:
    """Return a table of bool that is true where a choice has influence, if one table says it."""
    tables = space.inactive_tables.get(column, ())
    return [Table(tables[0].scope, ~tables[0].values)] if len(tables) == 1 else []


def _range(band: Band) -> str:
    """Return the exact range of what a band is about, for people."""
    if band.over is None:
        return f"{band.cost.minimum().value:,.6g} to {band.cost.maximum().value:,.6g}"
    low, high = (_extreme_ratio(band.cost, band.over, sign) for sign in (1.0, -1.0))
    return f"{low:,.6g} to {high:,.6g}"


def _extreme_ratio(above: CostTable, below: CostTable, sign: float) -> float:
    """Return the exact smallest (sign 1) or largest (-1) ratio of two costs (Dinkelbach 1967)."""
    best = above.minimum().architecture
    while True:
        ratio = above.of(best) / below.of(best)
        found = weighted_minimum([above, below], [sign, -sign * ratio]).architecture
        other = above.of(found) / below.of(found)
        if sign * other >= sign * ratio - 1e-12 * ratio:
            return ratio
        best = found


def remaining(space: SearchSpace, dropped: Mapping[str, Sequence[Option]]) -> Dropped:
    """Return the options to keep of every choice of which some are dropped."""
    return {
        choice.name: [option for option in choice.options if option not in dropped[choice.name]]
        for choice in _choices(space)
        if choice.name in dropped
    }
