"""Pareto fronts of any number of objectives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["pareto_front"]


def pareto_front(
    values: NDArray[np.float64], directions: Sequence[Literal["maximize", "minimize"]]
) -> NDArray[np.bool_]:
    """Return which points no other point dominates.

    A point dominates another when it is as good in every objective and better in one, so equal
    points stay together. Time is O(n log n) for up to two objectives and O(n x front) for more,
    memory O(n).

    Args:
        values: float64 [n, m]; a point with a NaN is never on the front.
        directions: One for each objective, ``maximize`` or ``minimize``.

    Returns:
        bool [n].
    """
    values = np.asarray(values, dtype=np.float64)
    signs = np.array([-1.0 if direction == "maximize" else 1.0 for direction in directions])
    if values.ndim != 2 or values.shape[1] != len(signs) or not len(signs):
        raise ValueError(
            f"values must be [n, {len(signs)}], one column for each direction, "
            f"with at least one; got shape {values.shape}."
        )
    costs = values * signs
    front = np.zeros(len(values), dtype=np.bool_)
    usable = np.flatnonzero(~np.isnan(costs).any(axis=1))
    order = usable[np.lexsort(costs[usable].T[::-1])]
    points = costs[order]
    front[order] = _planar(points) if points.shape[1] <= 2 else _general(points)
    return front


def _planar(points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return the front of lexicographically sorted points in one or two dimensions."""
    if not len(points):
        return np.zeros(0, dtype=np.bool_)
    first, last = points[:, 0], points[:, -1]
    group = np.searchsorted(first, first)  # where the points with the same first value begin
    if points.shape[1] == 1:
        return np.asarray(group == 0)
    before = np.concatenate([[np.inf], np.minimum.accumulate(last)])[group]
    return np.asarray((last == last[group]) & ((last < before) | (group == 0)))


def _general(points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return the front of lexicographically sorted points.

    What dominates a point comes before it in the order, so the first point that is left is
    always on the front; all that it dominates is dropped.
    """
    front = np.zeros(len(points), dtype=np.bool_)
    left = np.arange(len(points))
    while len(left):
        point = points[left[0]]
        rest = points[left]
        equal = (rest == point).all(axis=1)
        front[left[equal]] = True
        left = left[(rest < point).any(axis=1)]
    return front
