"""Environmental selection: which of a population with several objectives survive, best first.

Functions of gains, float64 [n, m], where more is better, and the number of survivors.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "crowding_distance",
    "nondominated_ranks",
    "reference_directions",
    "survive_by_crowding",
    "survive_by_niches",
]

Floats = NDArray[np.float64]
Positions = NDArray[np.intp]


def nondominated_ranks(gains: Floats) -> Positions:
    """Return the number of the front of every point, [n]; 0 is dominated by none.

    Time is O(n log n) for two objectives and O(n^2 m) for others; meant for populations.

    Args:
        gains: float64 [n, m].
    """
    return _planar_ranks(gains) if gains.shape[1] == 2 else _general_ranks(gains)


def _planar_ranks(gains: Floats) -> Positions:
    """Put points, best first objective first, on the first front that does not dominate them.

    Along a front the second objective rises, so its last member decides (Jensen 2003).
    """
    order = np.lexsort([-gains[:, 1], -gains[:, 0]])
    losses = (-gains[order]).tolist()
    ends: list[float] = []  # second loss of the last member of each front, ascending
    ranks, before, rank = [], None, 0
    for point in losses:
        if point != before:
            rank = bisect_right(ends, point[1])
            ends[rank : rank + 1] = [point[1]]
        ranks.append(rank)
        before = point
    result = np.empty(len(gains), dtype=np.intp)
    result[order] = ranks
    return result


def _general_ranks(gains: Floats) -> Positions:
    """Peel off front after front; memory is O(n^2)."""
    worse = np.ones((len(gains), len(gains)), dtype=np.bool_)  # [i, j]: i no better anywhere
    for column in gains.T:
        worse &= column[:, None] <= column[None, :]
    dominated = worse & ~worse.T
    left = dominated.sum(axis=1)
    ranks = np.full(len(gains), -1, dtype=np.intp)
    rank = 0
    while (ranks < 0).any():
        front = np.flatnonzero(left == 0)
        ranks[front] = rank
        left -= dominated[:, front].sum(axis=1)
        left[front] = -1
        rank += 1
    return ranks


def crowding_distance(gains: Floats) -> Floats:
    """Return how far apart the neighbours of every point of one front are, float64 [n].

    Deb et al. 2002 (NSGA-II, section III-B); infinite at the ends of each objective.
    """
    distance = np.zeros(len(gains))
    for column in gains.T:
        order = np.argsort(column, kind="stable")
        value = column[order]
        spread = value[-1] - value[0]
        distance[order[[0, -1]]] = np.inf
        if spread > 0:
            distance[order[1:-1]] += (value[2:] - value[:-2]) / spread
    return distance


def survive_by_crowding(gains: Floats, size: int) -> Positions:
    """Return survivors by front, then by crowding distance (Deb et al. 2002), best first."""
    ranks = nondominated_ranks(gains)
    distance = np.empty(len(gains))
    last = np.sort(ranks)[min(size, len(ranks)) - 1] if len(ranks) else 0
    for rank in range(int(last) + 1):
        front = np.flatnonzero(ranks == rank)
        distance[front] = crowding_distance(gains[front])
    kept = np.flatnonzero(ranks <= last)
    return kept[np.lexsort([-distance[kept], ranks[kept]])][:size]


def reference_directions(objectives: int, size: int) -> Floats:
    """Return points spread evenly over the unit simplex, float64 [k, objectives].

    Das and Dennis 1998, with as many divisions as give at most ``size`` points, at least one.
    """
    divisions = 1
    while objectives > 1 and math.comb(objectives + divisions, divisions + 1) <= size:
        divisions += 1
    bars = itertools.combinations(range(objectives + divisions - 1), objectives - 1)
    edges = [(-1, *cut, objectives + divisions - 1) for cut in bars]
    return (np.diff(np.array(edges), axis=1) - 1.0) / divisions


def survive_by_niches(gains: Floats, size: int) -> Positions:
    """Return survivors by front, the last front filled where reference directions lack points.

    Deb and Jain 2014 (NSGA-III, algorithms 1 to 4); ties go to the point nearest to its
    direction, then to the first, so that nothing is left to chance.
    """
    ranks = nondominated_ranks(gains)
    order = np.argsort(ranks, kind="stable")
    if len(order) <= size:
        return order
    last = ranks[order[size - 1]]
    kept = order[ranks[order] < last]
    front = order[ranks[order] == last]
    pool = np.concatenate([kept, front])
    niche, distance = _associated(_normalised(-gains[pool], ranks[pool] == 0), size)
    counts = np.bincount(niche[: len(kept)], minlength=int(niche.max()) + 1)
    open_ = np.ones(len(front), dtype=np.bool_)
    chosen = []
    for _ in range(size - len(kept)):
        candidates = np.flatnonzero(open_)
        niches = niche[len(kept) + candidates]
        best = np.lexsort([distance[len(kept) + candidates], counts[niches]])[0]
        chosen.append(front[candidates[best]])
        counts[niches[best]] += 1
        open_[candidates[best]] = False
    return np.concatenate([kept, np.array(chosen, dtype=np.intp)])


def _normalised(costs: Floats, first: NDArray[np.bool_]) -> Floats:
    """Return costs shifted to their smallest and divided by the intercepts of their extremes.

    Args:
        costs: float64 [n, m], less is better.
        first: The points that no other dominates, bool [n].
    """
    moved = costs - costs.min(axis=0)
    objectives = moved.shape[1]
    weights = np.where(np.eye(objectives, dtype=np.bool_), 1.0, 1e6)
    extremes = moved[(moved[None] * weights[:, None]).max(axis=2).argmin(axis=1)]
    worst = moved[first].max(axis=0)
    try:
        intercepts = 1.0 / np.linalg.solve(extremes, np.ones(objectives))
    except (np.linalg.LinAlgError, ZeroDivisionError):
        intercepts = worst
    if not (np.isfinite(intercepts).all() and (intercepts > 1e-12).all()):
        intercepts = worst
    return np.asarray(moved / np.where(intercepts > 1e-12, intercepts, 1.0))


def _associated(points: Floats, size: int) -> tuple[Positions, Floats]:
    """Return for every point its nearest reference direction and the distance to it."""
    directions = reference_directions(points.shape[1], size)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    along = points @ directions.T
    squares = (points**2).sum(axis=1)[:, None] - along**2
    niche = squares.argmin(axis=1)
    nearest = squares[np.arange(len(points)), niche]
    return niche, np.sqrt(np.maximum(nearest, 0.0))
