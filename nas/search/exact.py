"""Exact optima: the best architecture within the limits, with the proof of how good it is.

Where the objective and the limits are sums over tables, architectures are paths of a
`Trellis`, and the best one under limits is a shortest path with budgets. With no limit on a
sum it follows from one pass over the layers; with one, a pass over a grid of its cost gives an
architecture and a bound; for any number a mixed-integer program does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nas.errors import ConfigError, InfeasibleError
from nas.search.milp import budgeted_path
from nas.search.problem import Problem
from predictors.cost import CostTable, weighted_tables
from search_spaces import Architecture, Population
from search_spaces.trellis import Trellis
from search_spaces.windows import grid_size, on_grid

__all__ = ["Optimum", "optimum"]

_EXACT = 1e-9  # relative; more than the rounding of float64 sums in another order

Floats = NDArray[np.float64]
Arcs = list[NDArray[np.intp]]


@dataclass(frozen=True, slots=True)
class Optimum:
    """The best architecture found, and what no architecture within the limits exceeds.

    Attributes:
        architecture: Canonical and within all limits.
        value: Its objective, in the metric's unit.
        bound: No architecture within the limits has a better objective than this.
    """

    architecture: Architecture
    value: float
    bound: float

    @property
    def gap(self) -> float:
        """How far the optimum can lie from the value at most, in the metric's unit."""
        return abs(self.bound - self.value)

    @property
    def proven(self) -> bool:
        """Whether the value is the optimum, to the rounding of float64."""
        return self.gap <= _EXACT * max(abs(self.value), abs(self.bound))


def optimum(
    problem: Problem,
    *,
    method: Literal["milp", "dynamic"] = "milp",
    max_seconds: float = 60.0,
    bins: int | None = None,
) -> Optimum:
    """Return the best architecture by the first objective, with a bound.

    Args:
        problem: Its first objective is one of its costs, a sum over slots; for a learned
            linear score see `predictors.linear`.
        method: ``milp`` takes any number of limits and needs scipy. ``dynamic`` programming
            takes at most one limit on a sum; its gap is that of a grid.
        max_seconds: After which the program stops with the gap it has.
        bins: Of the grid; by default as many as fit.

    Raises:
        ConfigError: The objective is no sum over slots, or there are two limits on sums and
            the method is ``dynamic``.
        InfeasibleError: It is proven that no architecture meets the limits, or none was found
            in the time.
        MissingExtraError: The method is ``milp`` and scipy is not installed.
        SpaceError: Slots share too many choices.
    """
    objective = _objective(problem)
    sums = problem.additive_limits
    if method == "dynamic" and len(sums) > 1:
        raise ConfigError(
            "Dynamic programming takes one limit on a sum, got "
            f"{', '.join(limit.metric for limit in sums)}. Use method='milp'."
        )
    trellis = _trellis(problem, objective)
    sign = 1.0 if problem.objectives[0].direction == "minimize" else -1.0
    losses = trellis.costs([sign] + [0.0] * len(sums))
    costs = [trellis.costs(np.eye(len(sums) + 1)[i + 1]) for i in range(len(sums))]
    budgets = [limit.largest - problem.costs[limit.metric].constant for limit in sums]
    paths: list[Arcs] = []
    bound = float(trellis.smallest(losses)[-1][0])
    if bound < math.inf and not sums:
        paths = [_shortest(trellis, losses)]
    elif bound < math.inf and method == "dynamic":
        paths, bound = _on_a_grid(trellis, losses, costs[0], budgets[0], bins)
    elif bound < math.inf:
        paths, bound = budgeted_path(trellis, losses, costs, budgets, max_seconds=max_seconds)
    return _best(problem, objective, [trellis.assignments(path) for path in paths], sign * bound)


def _best(
    problem: Problem, objective: CostTable, found: Sequence[Population], bound: float
) -> Optimum:
    """Return the best of some assignments that meets the limits.

    Raises:
        InfeasibleError: None does.
    """
    none = np.empty((0, len(problem.space.choices)), dtype=np.int16)
    rows = np.concatenate([none, *(rows[:, : none.shape[1]] for rows in found)])
    rows = rows[problem.feasible(rows)]
    maximise = problem.objectives[0].direction == "maximize"
    if not len(rows):
        limits = ", ".join(map(str, problem.limits))
        space = problem.space.name
        if bound == (-math.inf if maximise else math.inf):
            raise InfeasibleError(f"No architecture of {space} meets {limits}.")
        raise InfeasibleError(
            f"No architecture of {space} was found that meets {limits}; it is not proven that "
            "there is none. Raise max_seconds, or loosen a limit a little."
        )
    values = objective(rows)
    best = int(values.argmax() if maximise else values.argmin())
    return Optimum(
        problem.space.decode(rows[best]), float(values[best]), bound + objective.constant
    )


def _objective(problem: Problem) -> CostTable:
    metric = problem.objectives[0].metric
    cost = problem.costs.get(metric)
    if cost is None or cost.reduce != "sum":
        what = "none of the problem's costs" if cost is None else "a maximum over slots"
        raise ConfigError(
            f"An exact optimum needs an objective that is a sum over tables; {metric} is {what}. "
            "Search instead, or fit a linear score and compile it with "
            "predictors.linear.linear_cost."
        )
    return cost


def _trellis(problem: Problem, objective: CostTable) -> Trellis:
    space = problem.space
    steps, sizes = space.fold_steps
    limited = [problem.costs[limit.metric] for limit in problem.additive_limits]
    functions = [weighted_tables([cost], [1.0])[0] for cost in (objective, *limited)]
    allowed = [*space.canonical_tables, *steps, *problem.filters]
    return Trellis(functions, allowed=allowed, sizes=sizes)


def _shortest(trellis: Trellis, losses: Sequence[Floats]) -> Arcs:
    """Return a path of smallest loss."""
    into = [np.zeros(1), *trellis.smallest(losses)]
    state, arcs = 0, []
    for number in reversed(range(len(trellis.layers))):
        before = trellis.layers[number].before[state]
        chosen = int((into[number][before] + losses[number][state]).argmin())
        arcs.append(np.array([chosen]))
        state = int(before[chosen])
    return arcs[::-1]


def _on_a_grid(
    trellis: Trellis,
    losses: Sequence[Floats],
    costs: Sequence[Floats],
    budget: float,
    bins: int | None,
) -> tuple[list[Arcs], float]:
    """Return paths of small loss, the last one within the budget, and a bound on the loss.

    Costs are rounded down for the bound and up for the path within the budget. Where the first
    path is within the budget too, it is the optimum.
    """
    slack = budget - float(trellis.smallest(costs)[-1][0])
    if slack < 0:
        return [], math.inf
    step = slack / (bins or grid_size(trellis)) or 1.0
    reduced = trellis.reduced(costs)
    last = round(slack / step)
    paths, bounds = [], []
    for rounding in (np.floor, np.ceil):
        steps = [on_grid(cost / step, rounding) for cost in reduced]
        path, loss = _within_steps(trellis, losses, steps, last)
        bounds.append(loss)
        paths += [path] if loss < math.inf else []
    return paths, bounds[0]


def _within_steps(
    trellis: Trellis,
    losses: Sequence[Floats],
    steps: Sequence[NDArray[np.int64]],
    last: int,
) -> tuple[Arcs, float]:
    """Return a path of smallest loss that takes at most some number of steps, and its loss."""
    into = [np.full((1, last + 1), np.inf)]
    into[0][0, 0] = 0.0
    for layer, loss, step in zip(trellis.layers, losses, steps, strict=True):
        best = np.full((layer.states, last + 1), np.inf)
        for state, row in enumerate(best):
            for source, moved, lost in zip(
                layer.before[state].tolist(),
                step[state].tolist(),
                loss[state].tolist(),
                strict=True,
            ):
                if moved <= last:
                    earlier = into[-1][source, : last + 1 - moved] + lost
                    np.minimum(row[moved:], earlier, out=row[moved:])
        into.append(best)
    left = int(into[-1][0].argmin())
    state, arcs = 0, []
    for number in reversed(range(len(trellis.layers))):
        before = trellis.layers[number].before[state]
        remaining = left - steps[number][state]
        reached = into[number][before, np.maximum(remaining, 0)] + losses[number][state]
        chosen = int(np.where(remaining >= 0, reached, np.inf).argmin())
        arcs.append(np.array([chosen]))
        state, left = int(before[chosen]), int(remaining[chosen])
    return arcs[::-1], float(into[-1][0].min())
