"""The architecture whose options have the largest learned scores within a limit on a cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nas.search.exact import optimum
from nas.search.problem import Objective, Problem, UpperLimit
from predictors import CostTable, Provenance
from search_spaces import Architecture, SearchSpace
from search_spaces.tables import Table

__all__ = ["best_within"]

_LEARNED = Provenance("predicted", "scores of a training")


@dataclass(frozen=True, slots=True)
class _Score:
    metric: str = "score"
    constant: float = 0.0
    provenance: Provenance = _LEARNED
    reduce: Literal["sum", "max"] = "sum"


def best_within(
    space: SearchSpace,
    scores: Mapping[str, NDArray[np.float64]],
    cost: CostTable,
    limit: float,
    *,
    others: Architecture,
    method: Literal["milp", "dynamic"] = "milp",
) -> Architecture:
    """Return the architecture within a limit with the largest sum of scores, exactly.

    Args:
        space: The space.
        scores: Of every option of some choices, float64 [options] each.
        cost: A sum over slots.
        limit: In its unit.
        others: Gives the options of all other choices.
        method: See `nas.search.optimum`.

    Raises:
        InfeasibleError: No architecture with the options of the other choices is within the limit.
    """
    everything = 1.0 + sum(float(np.abs(values).sum()) for values in scores.values())
    tables = []
    for column, choice in enumerate(space.choices):
        kept = others[choice.name]
        fixed = [0.0 if option == kept else -everything for option in choice.options]
        tables.append(Table((column,), np.array(scores.get(choice.name, fixed), np.float64)))
    score = CostTable(space, _Score(), tables, parts=[choice.name for choice in space.choices])
    problem = Problem(
        space,
        objectives=(Objective("score"),),
        costs={"score": score, cost.metric: cost},
        limits=(UpperLimit(cost.metric, limit),),
    )
    return optimum(problem, method=method).architecture
