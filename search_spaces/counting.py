"""How many architectures of a space cost at most so much: exactly, or between stated bounds.

The paths of a `Trellis` are counted by what they cost, from its first layer on and back from its
last. Costs are whole numbers, and parts of equal cost that meet in the same state are counted
together, so the count is exact as long as the different sums fit in memory. Where they do not,
sums are rounded to a grid, once down and once up: paths whose sum rounded up is within are
certainly within, those whose sum rounded down is beyond are certainly beyond.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from search_spaces.space import SearchSpace
from search_spaces.tables import Table
from search_spaces.trellis import Layer, Trellis

__all__ = ["Count", "count_at_most", "count_within_ratio"]

_MAX_SUMS = 400_000  # of one layer, over all its states
_GRID_BITS = 40  # of costs that are no whole numbers
_WHOLE = 1 << 52  # float64 adds whole numbers below exactly

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Count:
    """A number of architectures, or bounds on it.

    Attributes:
        low: At least so many.
        high: At most so many; the same number where the count is exact.
    """

    low: int
    high: int

    @property
    def exact(self) -> bool:
        """Whether the number is known."""
        return self.low == self.high

    def of(self, total: int) -> tuple[Fraction, Fraction]:
        """Return the bounds as shares of a total above zero."""
        return Fraction(self.low, total), Fraction(self.high, total)


def count_at_most(
    space: SearchSpace,
    tables: Sequence[Table],
    limit: float,
    *,
    allowed: Sequence[Table] = (),
    max_sums: int = _MAX_SUMS,
) -> Count:
    """Count the different architectures of a space whose additive cost is at most a limit.

    Args:
        space: The space. Of an `EnsembleSpace` ensembles are counted whose members have an order.
        tables: The cost, a sum over them.
        limit: The largest cost that counts.
        allowed: Tables of bool; only architectures for which all are true count.
        max_sums: Different sums kept in one layer; more make bounds narrower and take longer.

    Raises:
        SpaceError: The tables overlap so much that there would be too many arcs.
    """
    steps, sizes = space.fold_steps
    rules = [*space.canonical_tables, *steps, *allowed]
    trellis = Trellis([[*tables, Table((), np.zeros(()))]], allowed=rules, sizes=sizes)
    costs = trellis.costs([1.0])
    smallest = float(trellis.smallest(costs)[-1][0])
    if not smallest <= limit:
        return Count(0, 0)
    reduced = trellis.reduced(costs)
    room = limit - smallest
    finite = np.concatenate([cost[np.isfinite(cost)].ravel() for cost in reduced])
    whole = bool((finite == np.rint(finite)).all()) and finite.max(initial=0.0) < _WHOLE
    step = 1.0 if whole else max(room, float(finite.max(initial=0.0)), 1e-290) / 2**_GRID_BITS
    bounds = []
    for upwards in (True, False):
        bounds.append(_counted(trellis.layers, reduced, room, step, upwards, max_sums))
        if whole and not bounds[0][1]:
            return Count(bounds[0][0], bounds[0][0])
    return Count(bounds[0][0], bounds[1][0])


def count_within_ratio(
    space: SearchSpace,
    above: Sequence[Table],
    below: Sequence[Table],
    *,
    low: Fraction,
    high: Fraction,
    max_sums: int = _MAX_SUMS,
) -> Count:
    """Count the different architectures whose ratio of two costs lies in a band.

    A ratio cannot be too small and too large at once, so those outside are counted on either
    side: two counts of one additive cost each, ``above - low * below`` and
    ``high * below - above``. They are whole numbers where both costs are, and so are the
    bounds' denominators.

    Args:
        space: The space.
        above: The cost that is divided, a sum over tables.
        below: The cost that it is divided by, above zero everywhere.
        low: The smallest ratio that counts.
        high: The largest ratio that counts, at least ``low``.
        max_sums: As of `count_at_most`.
    """
    too_small = _weighted(above, low.denominator, below, -low.numerator)
    too_large = _weighted(above, -high.denominator, below, high.numerator)
    everything = count_at_most(space, [], 0.0, max_sums=max_sums)
    outside = [
        count_at_most(space, tables, _below_zero(tables), max_sums=max_sums)
        for tables in (too_small, too_large)
    ]
    total = everything.low
    return Count(
        max(total - sum(count.high for count in outside), 0),
        total - sum(count.low for count in outside),
    )


def _weighted(
    first: Sequence[Table], weight: int, second: Sequence[Table], other: int
) -> list[Table]:
    """Return the tables of a weighted sum of two costs."""
    return [
        *(Table(table.scope, weight * table.values) for table in first),
        *(Table(table.scope, other * table.values) for table in second),
    ]


def _below_zero(tables: Sequence[Table]) -> float:
    """Return the largest value below zero that a sum over tables can have."""
    whole = all((table.values == np.rint(table.values)).all() for table in tables)
    return -0.5 if whole else -1e-12 * sum(float(np.abs(t.values).max()) for t in tables)


def _counted(
    layers: Sequence[Layer],
    costs: Sequence[NDArray[np.float64]],
    room: float,
    step: float,
    upwards: bool,
    max_sums: int,
) -> tuple[int, bool]:
    """Count paths whose cost, rounded in one direction, leaves room.

    Sums from the first layer on and sums back from the last one meet where both are few: so a
    side has to tell apart about the square root of all different sums.

    Args:
        layers: Of the trellis.
        costs: Of the arcs, not below zero; infinite ones do not exist.
        room: The largest cost that counts.
        step: Of the grid that costs are rounded to first.
        upwards: The direction of rounding.
        max_sums: Different sums kept in one layer.

    Returns:
        The number, and whether sums were rounded to a coarser grid than ``step``.
    """
    round_ = np.ceil if upwards else np.floor
    last = math.floor(room / step) if upwards else math.ceil(room / step)
    arcs = []
    for layer, cost in zip(layers, costs, strict=True):
        exists = layer.allowed & np.isfinite(cost)
        moves = round_(np.where(exists, cost, 0.0) / step).astype(np.int64)
        states, options = np.nonzero(exists)
        arcs.append((layer.before[states, options], states, moves[states, options]))
    sides = [_Side(1, upwards, last, max_sums), _Side(layers[-1].states, upwards, last, max_sums)]
    forwards, backwards = sides
    done, left = 0, len(layers)
    while done < left:
        if forwards.size <= backwards.size:
            before, after, moves = arcs[done]
            forwards.pass_on(before, after, moves, layers[done].states)
            done += 1
        else:
            left -= 1
            before, after, moves = arcs[left]
            backwards.pass_on(after, before, moves, layers[left - 1].states if left else 1)
    return forwards.joined(backwards, last), any(side.shift for side in sides)


class _Side:
    """The different sums of one side by state, ascending, and how many paths have each.

    Counts are Python's whole numbers, which do not overflow.
    """

    def __init__(self, states: int, upwards: bool, last: int, max_sums: int) -> None:
        one = (np.zeros(1, dtype=np.int64), np.ones(1, dtype=object))
        self._states = [one] * states
        self._upwards, self._last, self._max_sums = upwards, last, max_sums
        self.shift = 0

    @property
    def size(self) -> int:
        """Number of sums over all states."""
        return sum(len(sums) for sums, _ in self._states)

    def pass_on(
        self, source: NDArray[np.intp], target: NDArray[np.intp], moves: Integers, states: int
    ) -> None:
        """Go on by one layer.

        Args:
            source: State that each arc comes from.
            target: State that it goes to.
            moves: What it costs.
            states: Number of states that can be gone to.
        """
        parts: list[list[tuple[Integers, NDArray[np.object_]]]] = [[] for _ in range(states)]
        for here, there, move in zip(source, target, moves, strict=True):
            sums, counts = self._states[here]
            parts[there].append((sums + move, counts))
        self._states = [_merged(part, self._last) for part in parts]
        while self.size > max(self._max_sums, 2 * states) and self.shift < _GRID_BITS:
            self.shift += 1
            self._states = [
                _merged([(_coarse(sums, self.shift, self._upwards), counts)], self._last)
                for sums, counts in self._states
            ]

    def joined(self, other: _Side, last: int) -> int:
        """Return how many pairs of paths to and from one state cost at most so much."""
        total = 0
        for (sums, counts), (rest, many) in zip(self._states, other._states, strict=True):
            upto = np.concatenate([[0], np.cumsum(many)])
            within = np.searchsorted(rest, last - sums, side="right")
            total += int((counts * upto[within]).sum())
        return total


def _coarse(sums: Integers, shift: int, upwards: bool) -> Integers:
    """Return sums rounded to multiples of a power of two."""
    if upwards:
        return -((-sums >> shift) << shift)
    return (sums >> shift) << shift


def _merged(
    parts: Sequence[tuple[Integers, NDArray[np.object_]]], last: int
) -> tuple[Integers, NDArray[np.object_]]:
    """Return sums without repetition, ascending and at most ``last``, and their counts."""
    if not parts:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=object)
    sums = np.concatenate([part for part, _ in parts])
    counts = np.concatenate([count for _, count in parts])
    within = sums <= last
    sums, counts = sums[within], counts[within]
    order = np.argsort(sums, kind="stable")
    sums, counts = sums[order], counts[order]
    first = np.flatnonzero(np.concatenate([[True], sums[1:] != sums[:-1]])[: len(sums)])
    if not len(first):
        return sums, counts
    return sums[first], np.add.reduceat(counts, first)
