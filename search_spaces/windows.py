"""Uniform draws of architectures whose additive cost lies in a window, without blind rejection.

Costs are rounded to a fine grid, the paths of a `Trellis` to every grid point are counted from
its first layer to its last, and paths are drawn backwards in proportion to these counts. The
exact bounds of the rounding error of whole paths say which grid points can hold a path of the
window; what is drawn outside the window itself is rejected, so every architecture of the
window is drawn with the same probability, to the rounding of float64.

Two things keep the grid fine. Costs are counted from the smallest (or from the largest, when
the window is nearer to that), by reduced costs: what an arc costs beyond the cheapest way to
the same state. And only grid points up to the window's far edge are counted. A limit that one
architecture in a billion meets is therefore as cheap as any other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from search_spaces.space import Population, SearchSpace
from search_spaces.tables import Table, evaluate
from search_spaces.trellis import Trellis

__all__ = ["PathWindow", "Window", "grid_size", "on_grid"]

_MAX_BINS = 16_384
_MAX_ENTRIES = 16_000_000  # of all counts: 128 MB
_MAX_WORK = 400_000_000  # arcs times bins: about half a second
_BEYOND = 1 << 60
_ROUNDING = 1e-12  # relative; more than that of float64 sums in another order

Floats = NDArray[np.float64]


class Window:
    """The architectures of a space whose additive cost lies in a window, to be drawn from.

    Spaces of at most 131,072 combinations are enumerated, others counted by `PathWindow`.

    Args:
        space: The space.
        tables: The cost, a sum over them.
        low: Smallest cost of the window; may be minus infinity.
        high: Largest cost of the window; may be infinity.
        allowed: Tables of bool; only architectures for which all are true count.

    Attributes:
        log_count: Natural logarithm of the number of canonical architectures drawn from, those
            of the window and few beyond its edges; minus infinity proves that there is none.

    Raises:
        SpaceError: The tables overlap so much that counting would not fit in memory.
    """

    def __init__(
        self,
        space: SearchSpace,
        tables: Sequence[Table],
        *,
        low: float,
        high: float,
        allowed: Sequence[Table] = (),
    ) -> None:
        self._choices = len(space.choices)
        self._draw: Callable[[int, np.random.Generator], Population]
        if space.enumerable:
            rows = _listed(space, tables, low, high, allowed)
            self.log_count = math.log(len(rows)) if len(rows) else -math.inf
            self._draw = lambda n, rng: rows[rng.integers(0, len(rows), size=n)]
            return
        steps, sizes = space.fold_steps
        rules = [*space.canonical_tables, *steps, *allowed]
        trellis = Trellis([tables], allowed=rules, sizes=sizes)
        paths = PathWindow(trellis, weights=[1.0], low=low, high=high)
        self.log_count, self._draw = paths.log_count, paths.draw

    def draw(self, n: int, rng: np.random.Generator) -> Population:
        """Draw uniformly with replacement, canonical, int16 [n, d].

        The caller rejects what lies beyond the edges. Without any architecture none is drawn.
        """
        if self.log_count == -math.inf:
            return _no_rows(self._choices)
        return self._draw(n, rng)[:, : self._choices]


def _no_rows(variables: int) -> Population:
    return np.empty((0, variables), dtype=np.int16)


def _listed(
    space: SearchSpace,
    tables: Sequence[Table],
    low: float,
    high: float,
    allowed: Sequence[Table],
) -> Population:
    """Return all architectures of a small space in a window, int16 [n, d]."""
    rows = space.enumerated
    variables = space.variables(rows)
    cost = evaluate(tables, variables)
    within = (cost >= low) & (cost <= high)
    if allowed:
        within &= evaluate(allowed, variables, reduce=np.logical_and, dtype=np.bool_)
    return rows[within]


class PathWindow:
    """Counts of the paths whose cost may lie in a window, ready to be drawn from.

    Args:
        trellis: The paths.
        weights: Of the trellis' functions; the cost is their weighted sum.
        low: Smallest cost of the window; may be minus infinity.
        high: Largest cost of the window; may be infinity.

    Attributes:
        log_count: Natural logarithm of the number of paths drawn from: those of the window and
            few beyond its edges; minus infinity proves that the window is empty.
    """

    def __init__(
        self, trellis: Trellis, *, weights: Sequence[float], low: float, high: float
    ) -> None:
        self._trellis = trellis
        costs = trellis.costs(weights)
        smallest = trellis.smallest(costs)[-1][0]
        largest = -trellis.smallest(trellis.costs([-weight for weight in weights]))[-1][0]
        self.log_count = -math.inf
        if smallest > largest:
            return  # nothing is allowed
        self._rounding = _ROUNDING * max(abs(smallest), abs(largest), 1e-290)
        low, high = max(low - self._rounding, smallest), min(high + self._rounding, largest)
        if low > high:
            return
        if largest - low < high - smallest:
            costs = trellis.costs([-weight for weight in weights])
            low, high, smallest = -high, -low, -largest
        self._count(trellis.reduced(costs), low - smallest, high - smallest)

    def _count(self, reduced: Sequence[Floats], low: float, high: float) -> None:
        """Count paths on the grid by what they cost beyond the smallest.

        Args:
            reduced: Of the arcs.
            low: Of the window, beyond the smallest cost.
            high: Of the window, beyond the smallest cost.
        """
        step = max(high / grid_size(self._trellis), self._rounding)
        self._steps = [on_grid(cost / step) for cost in reduced]
        below, above = self._error(reduced, step)
        self._first = max(math.floor(low / step - above), 0)
        last = math.ceil(high / step - below)
        self._counts = [np.ones((1, last + 1))]
        self._counts[0][:, 1:] = 0.0
        scale = 0.0
        for layer, cost in zip(self._trellis.layers, self._steps, strict=True):
            counted = _moved(self._counts[-1], layer.before, cost)
            largest = counted.max(initial=0.0)
            if largest == 0.0:
                return
            self._counts.append(counted / largest)
            scale += math.log(largest)
        self._within = np.cumsum(self._counts[-1][0, self._first :])
        if len(self._within) and self._within[-1] > 0:
            self.log_count = scale + math.log(self._within[-1])

    def _error(self, reduced: Sequence[Floats], step: float) -> tuple[float, float]:
        """Return the exact bounds of cost minus grid cost over all paths, in steps."""
        bounds = []
        for sign in (1.0, -1.0):
            errors = [
                np.where(cost < np.inf, sign * (cost / step - grid), np.inf)
                for cost, grid in zip(reduced, self._steps, strict=True)
            ]
            bounds.append(sign * float(self._trellis.smallest(errors)[-1][0]))
        return bounds[0], bounds[1]

    def draw(self, n: int, rng: np.random.Generator) -> NDArray[np.int16]:
        """Draw paths uniformly: all of the window and few beyond its edges.

        Returns:
            Values of all variables, int16 [n, v]; none when nothing is within the window.
        """
        if self.log_count == -math.inf:
            return _no_rows(self._trellis.variables)
        state = np.zeros(n, dtype=np.intp)
        aim = rng.random(n) * self._within[-1]
        left = self._first + np.searchsorted(self._within, aim, side="right")
        paths, arcs = np.arange(n), []
        for number in reversed(range(len(self._trellis.layers))):
            before = self._trellis.layers[number].before[state]
            remaining = left[:, None] - self._steps[number][state]
            counts = self._counts[number][before, np.maximum(remaining, 0)]
            weights = np.where(remaining >= 0, counts, 0.0).cumsum(axis=1)
            chosen = (weights <= rng.random(n)[:, None] * weights[:, -1:]).sum(axis=1)
            state, left = before[paths, chosen], remaining[paths, chosen]
            arcs.append(chosen)
        return self._trellis.assignments(arcs[::-1])


def grid_size(trellis: Trellis) -> int:
    """Return how many bins of a cost axis a pass over a trellis can afford."""
    states = sum(layer.states for layer in trellis.layers)
    return max(min(_MAX_BINS, _MAX_ENTRIES // states, _MAX_WORK // trellis.arcs), 64)


def on_grid(steps: Floats, rounding: Callable[[Floats], Floats] = np.rint) -> NDArray[np.int64]:
    """Return costs in whole steps; arcs that do not exist lie beyond every grid.

    Args:
        steps: Costs divided by the grid's step.
        rounding: To whole steps.
    """
    exists = steps < _BEYOND
    return np.where(exists, rounding(np.where(exists, steps, 0.0)), _BEYOND).astype(np.int64)


def _moved(counts: Floats, before: NDArray[np.intp], cost: NDArray[np.int64]) -> Floats:
    """Return the counts after one layer, float64 [s, bins]."""
    bins = counts.shape[1]
    result = np.zeros((len(before), bins))
    for state, option in np.argwhere(cost < bins).tolist():
        moved = int(cost[state, option])
        result[state, moved:] += counts[before[state, option], : bins - moved]
    return result
