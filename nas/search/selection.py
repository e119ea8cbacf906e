"""The best subnets of an archive, and those that none beats in all objectives at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nas.archive import Evaluated
from nas.search.pareto import pareto_front
from nas.search.problem import Problem

__all__ = ["best", "front", "value_of"]


def value_of(problem: Problem, row: Evaluated, metric: str) -> float:
    """Return a number of an architecture: the compiled cost, else what was recorded.

    Args:
        problem: Knows the costs.
        row: Of an archive; it has the metric where no cost is named so.
        metric: Its name.
    """
    cost = problem.costs.get(metric)
    return row.metrics[metric].value if cost is None else cost.of(row.architecture)


def best(problem: Problem, rows: Sequence[Evaluated], *, top: int = 1) -> list[Evaluated]:
    """Return the best architectures within the limits, best first.

    Ranked by the first objective; ties go to the smaller first limited cost, or first cost
    when there is no limit, then to the id.

    Args:
        problem: The objectives, costs and limits; costs are computed anew, not read.
        rows: Of an archive, as ``Archive.rows`` returns them; those outside the problem's space
            do not count.
        top: How many at most.

    Returns:
        Fewer than ``top`` when fewer are feasible and have the objective.
    """
    objective = problem.objectives[0]
    cost = problem.costs.get(objective.metric)
    rows = [row for row in rows if cost is not None or objective.metric in row.metrics]
    rows = [row for row in rows if problem.space.holds(row.architecture)]
    if not rows:
        return []
    population = problem.space.encode_all(row.architecture for row in rows)
    if cost is not None:
        values = cost(population)
    else:
        values = np.array([row.metrics[objective.metric].value for row in rows])
    gains = values if objective.direction == "maximize" else -values
    names = [*(limit.metric for limit in problem.limits), *problem.costs][:1]
    ties = problem.costs[names[0]](population) if names else np.zeros(len(rows))
    ids = np.array([row.id for row in rows])
    order = np.lexsort([ids, ties, -gains])
    feasible = problem.feasible(population)
    return [rows[position] for position in order.tolist() if feasible[position]][:top]


def front(problem: Problem, rows: Sequence[Evaluated]) -> list[Evaluated]:
    """Return the architectures within the limits that none beats in all objectives at once.

    Args:
        problem: The objectives, costs and limits; costs are computed anew, not read.
        rows: Of an archive, as ``Archive.rows`` returns them.

    Returns:
        The best by the first objective first; of equals in every objective the first in the
        archive only.
    """
    missing = [o.metric for o in problem.objectives if o.metric not in problem.costs]
    rows = [row for row in rows if all(name in row.metrics for name in missing)]
    rows = [row for row in rows if problem.space.holds(row.architecture)]
    if not rows:
        return []
    population = problem.space.encode_all(row.architecture for row in rows)
    within = np.flatnonzero(problem.feasible(population))
    columns = [
        problem.costs[o.metric](population)
        if o.metric in problem.costs
        else np.array([row.metrics[o.metric].value for row in rows])
        for o in problem.objectives
    ]
    values = np.stack(columns, axis=1)[within]
    kept = np.flatnonzero(pareto_front(values, [o.direction for o in problem.objectives]))
    _, first = np.unique(values[kept], axis=0, return_index=True)
    kept = kept[np.sort(first)]
    order = np.argsort(-problem.gains(values[kept])[:, 0], kind="stable")
    return [rows[position] for position in within[kept[order]].tolist()]
