"""Problem: what a search looks for, within which limits.

Limits are hard: an architecture that breaks one is never proposed. All functions take whole
populations, int16 [n, d].
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nas.errors import ConfigError, nearest
from predictors.cost import CostTable, Extreme, cost_window
from predictors.provenance import Provenance
from search_spaces import Population, SearchSpace, SpaceError
from search_spaces.tables import Table
from search_spaces.windows import Window

__all__ = ["CostRange", "Objective", "Problem", "UpperLimit", "number", "ranges"]

_TOLERANCE = 1e-9  # relative; sums of the same prices in another order differ by less


@dataclass(frozen=True, slots=True)
class Objective:
    """A metric to maximise or to minimise."""

    metric: str = "accuracy"
    direction: Literal["maximize", "minimize"] = "maximize"

    def __post_init__(self) -> None:
        if self.direction not in ("maximize", "minimize"):
            raise ConfigError(
                f"objective {self.metric}: direction {self.direction!r} is not allowed. "
                "Use 'maximize' or 'minimize'."
            )


@dataclass(frozen=True, slots=True)
class UpperLimit:
    """The largest allowed value of a cost.

    Attributes:
        metric: Name of the cost, which states its unit.
        value: In that unit, above zero.
        said: How the user wrote it, for example ``60%``; for messages only.
        margin: By how much the true cost may exceed the predicted one, relative to it, with the
            confidence that was asked; ``value`` is what was asked over one plus this.
    """

    metric: str
    value: float
    said: str = ""
    margin: float = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.value) and self.value > 0):
            raise ConfigError(
                f"limit {self.metric} = {self.value}: must be a finite number above zero."
            )

    def __str__(self) -> str:
        said = f' ("{self.said}")' if self.said else ""
        return f"{self.metric} <= {number(self.value)}{said}"

    @property
    def is_share(self) -> bool:
        """Whether it was asked for as a share of the largest subnet's cost."""
        return self.said.partition("@")[0].rstrip().endswith("%")

    @property
    def remark(self) -> str:
        """What a table of limits adds to the number, in parentheses; empty for a plain limit."""
        if "@" in self.said:
            return f" ({self.said}: predictions may be {self.margin:.1%} too low)"
        return f" ({self.said})" if self.is_share else ""

    @property
    def largest(self) -> float:
        """The largest value that counts as within the limit: a rounding error above it."""
        return self.value * (1.0 + _TOLERANCE)

    def ratio(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return values over the largest allowed one; at most 1 is within."""
        return np.asarray(values / self.largest)


@dataclass(frozen=True, eq=False)
class Problem:
    """A search problem.

    Attributes:
        space: The search space.
        objectives: At least one; the first one leads where one number must decide.
        costs: Compiled costs of the space by metric; all of them are recorded.
        limits: On metrics of ``costs``, all to be met at once.
    """

    space: SearchSpace
    _: KW_ONLY
    objectives: tuple[Objective, ...] = (Objective(),)
    costs: Mapping[str, CostTable] = field(default_factory=dict)
    limits: tuple[UpperLimit, ...] = ()

    def __post_init__(self) -> None:
        names = [objective.metric for objective in self.objectives]
        if not names or len(set(names)) != len(names):
            raise ConfigError(f"objectives {names}: give at least one, each metric once.")
        for metric, cost in self.costs.items():
            if cost.space.fingerprint != self.space.fingerprint:
                raise ConfigError(
                    f"cost {metric} was compiled for {cost.space!r}, which is not the search's "
                    f"{self.space!r}. Compile it for this space and its options."
                )
        for limit in self.limits:
            if limit.metric not in self.costs:
                raise ConfigError(
                    f"limit {limit.metric}: there is no such cost. "
                    f"{nearest(limit.metric, self.costs)}"
                )

    def cost_values(self, population: Population) -> dict[str, NDArray[np.float64]]:
        """Return every cost by name, float64 [n] in the metric's unit."""
        return {metric: cost(population) for metric, cost in self.costs.items()}

    @cached_property
    def additive_limits(self) -> tuple[UpperLimit, ...]:
        """The limits on costs that are a sum over slots."""
        return tuple(limit for limit in self.limits if self.costs[limit.metric].reduce == "sum")

    @cached_property
    def filters(self) -> tuple[Table, ...]:
        """Tables of bool, all true exactly where the limits on maxima are met."""
        others = (limit for limit in self.limits if limit not in self.additive_limits)
        return tuple(
            table for limit in others for table in self.costs[limit.metric].within(limit.largest)
        )

    @cached_property
    def window(self) -> Window | None:
        """What meets all limits, and as little else as one count can exclude, to be drawn from.

        Limits on maxima are met exactly. Of several limits on sums the count takes one, or all
        of them added as shares, whichever leaves fewer architectures; draws are to be checked
        with `feasible`. None where the space's slots share too many choices to be counted.
        """
        sums = self.additive_limits
        shares = [*np.eye(len(sums)), np.full(len(sums), 1.0 / max(len(sums), 1))]
        inverse = np.array([1.0 / limit.largest for limit in sums])
        costs = [self.costs[limit.metric] for limit in sums]
        try:
            windows = [
                cost_window(
                    costs,
                    (share * inverse).tolist(),
                    high=1.0,
                    allowed=self.filters,
                    space=self.space,
                )
                for share in (shares if len(sums) > 1 else shares[:1])
            ]
        except SpaceError:
            return None
        return min(windows, key=lambda window: window.log_count)

    def ratios(self, population: Population) -> NDArray[np.float64]:
        """Return each limited cost over its limit, float64 [n, limits]; at most 1 is within."""
        result = np.empty((len(population), len(self.limits)))
        for column, limit in enumerate(self.limits):
            result[:, column] = limit.ratio(self.costs[limit.metric](population))
        return result

    def violation(self, population: Population) -> NDArray[np.float64]:
        """Return the sum of relative excesses over the limits, float64 [n]; 0 is feasible."""
        excess = np.maximum(self.ratios(population) - 1.0, 0.0)
        return np.asarray(excess.sum(axis=1))

    def feasible(self, population: Population) -> NDArray[np.bool_]:
        """Return which architectures meet all limits, bool [n]."""
        return np.asarray((self.ratios(population) <= 1.0).all(axis=1))

    def gains(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return objective values [n, k] with signs such that more is better."""
        signs = [1.0 if o.direction == "maximize" else -1.0 for o in self.objectives]
        return np.asarray(values * np.array(signs))


@dataclass(frozen=True, slots=True)
class CostRange:
    """The exact smallest and largest value of one cost over the whole space."""

    metric: str
    smallest: Extreme
    largest: Extreme
    provenance: Provenance


def ranges(problem: Problem) -> tuple[CostRange, ...]:
    """Return the reachable range of every cost, limits apart."""
    return tuple(
        CostRange(metric, cost.minimum(), cost.maximum(), cost.provenance)
        for metric, cost in problem.costs.items()
    )


def number(value: float) -> str:
    """Return a cost as a person reads it: 121,278,976 or 2.51."""
    return f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:.6g}"
