"""Lagrangian relaxation: how close architectures can come to several limits at once.

For additive costs c_i with limits L_i and weights w on the simplex, the minimum over the space
of ``sum_i w_i c_i / L_i`` is exact by variable elimination and bounds the largest ratio
``max_i c_i / L_i`` of every architecture from below. The best bound over all weights is found
by cutting planes (Kelley 1960): each minimiser is a cut, the next weights solve the small game
"weights against the cuts found so far". The minimisers are real architectures that lie close
to the limits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictors.cost import CostTable, weighted_minimum
from search_spaces import Population
from search_spaces.tables import Table

__all__ = ["Relaxed", "relax"]

_GAP = 1e-9
_MAX_CUTS = 40


@dataclass(frozen=True, slots=True)
class Relaxed:
    """What the relaxation found.

    Attributes:
        bound: The largest ratio of every allowed architecture is at least this; infinite when
            none is allowed.
        population: The minimisers, int16 [k, d].
        ratios: Their cost over limit, float64 [k, limits].
    """

    bound: float
    population: Population
    ratios: NDArray[np.float64]

    @property
    def closest(self) -> int:
        """Position of the minimiser whose largest ratio is smallest."""
        return int(self.ratios.max(axis=1).argmin())


def relax(
    costs: Sequence[CostTable],
    limits: Sequence[float],
    *,
    allowed: Sequence[Table] = (),
    known: Population | None = None,
    threshold: float | None = None,
) -> Relaxed:
    """Return the best bound on the largest ratio of cost to limit.

    Args:
        costs: At least one additive cost of one space.
        limits: One for each cost, in its unit, above zero.
        allowed: Tables of bool; only architectures for which all are true count.
        known: Allowed architectures to begin with, int16 [k, d], for example from the
            relaxation of a larger set.
        threshold: Stop as soon as the bound exceeds it, or is seen to stay below.
    """
    space = costs[0].space
    inverse = 1.0 / np.asarray(limits, dtype=np.float64)
    rows = np.empty((0, len(space.choices)), np.int16) if known is None else known
    cuts = np.stack([cost(rows) for cost in costs], axis=1) * inverse
    corners = [] if len(rows) else list(np.eye(len(costs)))
    bound = -math.inf
    while len(cuts) < _MAX_CUTS:
        weights, ceiling = _best_weights(cuts) if not corners else (corners.pop(), math.inf)
        if bound >= ceiling - _GAP:
            break
        found = weighted_minimum(costs, (weights * inverse).tolist(), allowed=allowed)
        bound = max(bound, found.value)
        if math.isinf(bound):
            break
        row = space.encode(found.architecture)[None]
        cut = np.stack([cost(row) for cost in costs], axis=1) * inverse
        rows, cuts = np.concatenate([rows, row]), np.concatenate([cuts, cut])
        if (cut <= 1.0).all():
            break
        if threshold is not None and (bound > threshold or ceiling <= threshold):
            break
    return Relaxed(bound, rows, cuts)


def _best_weights(cuts: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Return the weights on the simplex that maximise the smallest weighted cut, and that value.

    A matrix game, solved as the linear program ``max sum(y): cuts^T y <= 1, y >= 0`` by the
    simplex method with Bland's rule; the weights are its dual solution (Dantzig 1951).

    Args:
        cuts: float64 [k, limits].
    """
    shift = 1.0 - min(float(cuts.min()), 0.0)  # a positive matrix: the program is bounded
    count, limits = cuts.shape
    tableau = np.zeros((limits + 1, count + limits + 1))
    tableau[:-1, :count] = cuts.T + shift
    tableau[:-1, count:-1] = np.eye(limits)
    tableau[:-1, -1] = 1.0
    tableau[-1, :count] = -1.0
    for _ in range(50 * (count + limits)):
        improving = np.flatnonzero(tableau[-1, :-1] < -1e-12)
        if not len(improving):
            break
        column = tableau[:-1, improving[0]]
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(column > 1e-12, tableau[:-1, -1] / column, np.inf)
        pivot = int(ratio.argmin())
        tableau[pivot] /= tableau[pivot, improving[0]]
        others = np.arange(limits + 1) != pivot
        factors = tableau[others, improving[0]]
        tableau[others] -= factors[:, None] * tableau[pivot]
    weights = np.maximum(tableau[-1, count:-1], 0.0)
    weights /= weights.sum()
    return weights, float((cuts @ weights).min())
