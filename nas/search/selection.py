"""The best subnets of an archive."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nas.archive import Evaluated
from nas.search.problem import Problem

__all__ = ["best"]


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
