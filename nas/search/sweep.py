"""Sweeps: one subnet for each of several limits on one cost, all from one archive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from nas.archive import Evaluated
from nas.search.problem import Objective, Problem, UpperLimit
from nas.search.selection import best

__all__ = ["Target", "swept", "targets"]


@dataclass(frozen=True, slots=True)
class Target:
    """The best subnet within one limit of a sweep.

    Attributes:
        limit: The limit.
        cost: Of the subnet, in the limit's unit; None where there is no subnet.
        row: The subnet; None where none that was evaluated is within the limit.
        smallest: The smallest value of the cost in the whole space, exact.
    """

    limit: UpperLimit
    cost: float | None
    row: Evaluated | None
    smallest: float


def swept(problem: Problem, metric: str, values: Sequence[float]) -> Problem:
    """Return the problem to search for all limits of a sweep at once.

    The cost becomes a further objective to minimise, and the largest limit a limit.

    Args:
        problem: Without the sweep.
        metric: A cost of the problem.
        values: The limits, in its unit, at least one.
    """
    objectives = problem.objectives
    if metric not in (objective.metric for objective in objectives):
        objectives = (*objectives, Objective(metric, "minimize"))
    return replace(
        problem, objectives=objectives, limits=_limits(problem, UpperLimit(metric, max(values)))
    )


def targets(
    problem: Problem, rows: Sequence[Evaluated], metric: str, values: Sequence[float]
) -> list[Target]:
    """Return the best subnet for each limit of a sweep, in the order of the limits.

    Args:
        problem: With its own limits, which hold for every subnet.
        rows: Of an archive.
        metric: The swept cost.
        values: The limits, in its unit.
    """
    cost, found = problem.costs[metric], []
    for value in values:
        limit = UpperLimit(metric, value)
        chosen = best(replace(problem, limits=_limits(problem, limit)), rows)
        row = chosen[0] if chosen else None
        price = None if row is None else cost.of(row.architecture)
        found.append(Target(limit, price, row, cost.minimum().value))
    return found


def _limits(problem: Problem, limit: UpperLimit) -> tuple[UpperLimit, ...]:
    """Return the problem's limits with one more; of two on one cost the lower."""
    others = [other for other in problem.limits if other.metric != limit.metric]
    own = [other for other in problem.limits if other.metric == limit.metric]
    return (*others, min([*own, limit], key=lambda known: known.value))
