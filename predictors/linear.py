"""A linear score on the one-hot encoding as a compiled cost, for exact answers.

A ridge regression on `SearchSpace.one_hot` is a sum over choices of a weight for the chosen
option, zero while the choice is inactive. So it has tables like any other cost, exact extremes
without limits, and an exact optimum within limits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from predictors.cost import CostTable
from predictors.errors import TableError
from predictors.provenance import Provenance
from search_spaces import SearchSpace
from search_spaces.tables import Table, align

__all__ = ["linear_cost"]


@dataclass(frozen=True, slots=True)
class _Linear:
    metric: str
    constant: float
    provenance: Provenance
    reduce: Literal["sum", "max"] = "sum"


def linear_cost(
    space: SearchSpace,
    weights: ArrayLike,
    *,
    constant: float = 0.0,
    metric: str = "accuracy",
    provenance: Provenance,
) -> CostTable:
    """Return ``one_hot(architecture) @ weights + constant`` as a compiled cost.

    Args:
        space: The space.
        weights: One for each option of each choice in turn, as `SearchSpace.one_hot` has its
            columns, float64 [sum of option counts].
        constant: The intercept.
        metric: Its name.
        provenance: What it was fitted to.

    Raises:
        TableError: There is another number of weights, or one is not finite.
    """
    flat = np.asarray(weights, dtype=np.float64).ravel()
    columns = int(space.option_counts.sum())
    if len(flat) != columns or not np.isfinite([*flat, constant]).all():
        raise TableError(
            f"A linear score of {space.name} has {columns} finite weights, one for each column "
            f"of its one-hot encoding; got {len(flat)}."
        )
    ends = np.cumsum(space.option_counts)[:-1]
    tables = [
        _while_active(space, choice, options)
        for choice, options in enumerate(np.split(flat, ends))
    ]
    names = [choice.name for choice in space.choices]
    description = _Linear(metric, constant, provenance)
    return CostTable(space, description, tables, parts=names, canonical_only=True)


def _while_active(space: SearchSpace, choice: int, weights: NDArray[np.float64]) -> Table:
    """Return the weights of a choice's options, zero where it is inactive."""
    tables = space.inactive_tables.get(choice)
    if tables is None:
        return Table((choice,), weights)
    scope = tuple(sorted({choice, *(v for table in tables for v in table.scope)}))
    inactive = np.ones([1] * len(scope), dtype=np.bool_)
    for table in tables:
        inactive = inactive & align(table, scope)
    return Table(scope, np.where(inactive, 0.0, align(Table((choice,), weights), scope)))
