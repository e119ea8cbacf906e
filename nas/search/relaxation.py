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
    enough: float = math.inf,
) -> Relaxed:
    """Return the best bound on the largest ratio of cost to limit.

    Args:
        costs: At least one additive cost of one space.
        limits: One for each cost, in its unit, above zero.
        allowed: Tables of bool; only architectures for which all are true count.
        enough: Stop once the bound exceeds it.
    """
    space = costs[0].space
    inverse = 1.0 / np.asarray(limits, dtype=np.float64)
    corners = list(np.eye(len(costs))) if len(costs) > 1 else []
    weights = np.full(len(costs), 1.0 / len(costs))
    rows: list[NDArray[np.int16]] = []
    cuts = np.empty((0, len(costs)))
    bound, ceiling = -math.inf, math.inf
    while len(rows) < _MAX_CUTS and bound <= enough and bound < ceiling - _GAP:
        found = weighted_minimum(costs, (weights * inverse).tolist(), allowed=allowed)
        if math.isinf(found.value):
            return Relaxed(math.inf, np.empty((0, len(space.choices)), np.int16), cuts)
        rows.append(space.encode(found.architecture))
        cut = np.array([cost(rows[-1][None])[0] for cost in costs]) * inverse
        cuts = np.concatenate([cuts, cut[None]])
        bound = max(bound, found.value)
        if (cut <= 1.0).all():
            break
        if corners:
            weights = corners.pop()
        else:
            weights, ceiling = _best_weights(cuts)
    return Relaxed(bound, np.stack(rows), cuts)


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
