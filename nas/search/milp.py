"""A shortest path with budgets as a mixed-integer program, solved by HiGHS through scipy.

One binary variable for each arc of a trellis; flow is kept at every state, so a solution is a
path, and without budgets the linear program alone is exact. With budgets its bound is that of
Lagrangian relaxation, and branch and cut closes the rest (Huangfu and Hall 2018, HiGHS).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from search_spaces.optional import import_optional
from search_spaces.trellis import Trellis

__all__ = ["budgeted_path"]

_INFEASIBLE = 2  # status of scipy.optimize.milp
_TOLERANCE = 1e-6  # of HiGHS, relative to a budget scaled to one
_ATTEMPTS = (0.0, 2.0, 20.0)  # tolerances by which a broken budget is tightened

Floats = NDArray[np.float64]
Arcs = list[NDArray[np.intp]]


def budgeted_path(
    trellis: Trellis,
    losses: Sequence[Floats],
    costs: Sequence[Sequence[Floats]],
    budgets: Sequence[float],
    *,
    max_seconds: float,
) -> tuple[list[Arcs], float]:
    """Return paths of small loss within all budgets, and a bound on the loss of any.

    Args:
        trellis: The paths.
        losses: Of the arcs of each layer, infinite where there is none.
        costs: The same for each budgeted cost.
        budgets: The largest sum of each cost.
        max_seconds: After which the best path so far is returned.

    Returns:
        One path, or none, and the bound; infinite when it is proven that there is none.

    Raises:
        MissingExtraError: scipy is not installed.
    """
    program = _Program(trellis, losses, costs, budgets)
    bound = -math.inf
    for tightened in _ATTEMPTS:
        flow, proven = program.solve(tightened * _TOLERANCE, max_seconds)
        bound = proven if tightened == 0.0 else bound
        if flow is None:
            break
        if program.within(flow):
            return [program.path(flow)], bound
    return [], bound


class _Program:
    def __init__(
        self,
        trellis: Trellis,
        losses: Sequence[Floats],
        costs: Sequence[Sequence[Floats]],
        budgets: Sequence[float],
    ) -> None:
        purpose = "An exact optimum under limits by a mixed-integer program"
        self._optimize = import_optional("scipy.optimize", extra="exact", purpose=purpose)
        self._sparse = import_optional("scipy.sparse", extra="exact", purpose=purpose)
        self._trellis = trellis
        self._exists = [np.isfinite(loss) for loss in losses]
        self._loss = self._flat(losses)
        self._costs = np.array([self._flat(cost) for cost in costs])
        self._budgets = np.array(budgets)
        self._scale = np.maximum(np.abs(self._budgets), 1e-9)
        self._flow, self._source = self._conservation()

    def _flat(self, values: Sequence[NDArray[np.generic]]) -> Floats:
        """Return a value for each arc that exists, layer after layer."""
        return np.concatenate(
            [value[exists] for value, exists in zip(values, self._exists, strict=True)]
        ).astype(np.float64)

    def _conservation(self) -> tuple[object, Floats]:
        """Return the matrix and right-hand side of "what flows in flows out"."""
        layers = self._trellis.layers
        first = np.cumsum([0, *(layer.states for layer in layers)])
        into = [
            np.broadcast_to(first[i] + np.arange(layer.states)[:, None], layer.before.shape)
            for i, layer in enumerate(layers)
        ]
        out = [first[i - 1] + layer.before for i, layer in enumerate(layers) if i]
        rows_in = self._flat(into)
        rows_out = self._flat([np.full(layers[0].before.shape, -1), *out])
        columns = np.arange(len(rows_in))
        leaves = rows_out >= 0
        rows = np.concatenate([rows_in, rows_out[leaves]])
        signs = np.concatenate([np.ones(len(rows_in)), -np.ones(int(leaves.sum()))])
        columns = np.concatenate([columns, columns[leaves]])
        shape = (int(first[-1]), len(rows_in))
        matrix = self._sparse.csr_array((signs, (rows.astype(np.intp), columns)), shape=shape)
        balance = np.zeros(shape[0])
        balance[-1] = 1.0  # the only state of the last layer
        return matrix, balance

    def solve(self, tightened: float, max_seconds: float) -> tuple[Floats | None, float]:
        """Return the flow of a path or None, and the bound on its loss, infinite without any.

        Args:
            tightened: By how much the budgets, scaled to one, are lowered.
            max_seconds: Of the solver.
        """
        kept = self._optimize.LinearConstraint(self._flow, self._source, self._source)
        largest = self._budgets / self._scale - tightened
        shares = self._costs / self._scale[:, None]
        result = self._optimize.milp(
            self._loss,
            integrality=np.ones(len(self._loss)),
            bounds=self._optimize.Bounds(0, 1),
            constraints=[kept, self._optimize.LinearConstraint(shares, -np.inf, largest)],
            options={"time_limit": max_seconds, "mip_rel_gap": 0.0},
        )
        if result.status == _INFEASIBLE:
            return None, math.inf
        bound = -math.inf if result.mip_dual_bound is None else float(result.mip_dual_bound)
        return None if result.x is None else np.rint(result.x), bound

    def within(self, flow: Floats) -> bool:
        """Return whether a path meets all budgets without any tolerance."""
        return bool((self._costs @ flow <= self._budgets).all())

    def path(self, flow: Floats) -> Arcs:
        """Return the options that a path takes."""
        state, arcs, end = 0, [], len(flow)
        for layer, exists in zip(
            reversed(self._trellis.layers), reversed(self._exists), strict=True
        ):
            used = np.zeros(exists.shape)
            used[exists] = flow[end - int(exists.sum()) : end]
            end -= int(exists.sum())
            chosen = int(used[state].argmax())
            arcs.append(np.array([chosen]))
            state = int(layer.before[state, chosen])
        return arcs[::-1]
