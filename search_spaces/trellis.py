"""Trellis: all assignments of a space's variables as paths through layers of states.

Variables are eliminated one group after the other, as in `tables.extremum`, but into a single
running table: what is left to know of the groups decided so far is a state, the values of the
few variables that later tables still read. An assignment is a path from the only state of the
first layer to the only state of the last, and a sum over tables is a sum over its arcs. Paths
can be counted, drawn and optimised by cost with one pass over the layers (a path decomposition;
Dechter 1999, "Bucket elimination", with linear order).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search_spaces.errors import SpaceError
from search_spaces.tables import Table, absorb, align

__all__ = ["Layer", "Trellis"]

_MAX_JOINT_OPTIONS = 1024
_MAX_ARCS = 2_000_000

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """The arcs that decide one group of variables.

    Attributes:
        group: Variables that the layer decides.
        options: Their joint values, int16 [o, len(group)].
        before: State of the layer before, for each state of this one and each option, [s, o].
        allowed: Which arcs exist, bool [s, o].
        costs: Of the arcs, for each function, float64 [f, s, o].
    """

    group: tuple[int, ...]
    options: NDArray[np.int16]
    before: NDArray[np.intp]
    allowed: NDArray[np.bool_]
    costs: Floats

    @property
    def states(self) -> int:
        """Number of states after the layer."""
        return len(self.before)


class Trellis:
    """Layers of states and arcs compiled from tables.

    Args:
        functions: Sums over tables of numbers, as in `tables.evaluate`.
        allowed: Tables of bool; only assignments for which all are true are paths.
        sizes: Number of values of every variable.

    Attributes:
        layers: In the order in which a path is counted; the last one has a single state.

    Raises:
        SpaceError: The tables overlap so much that there would be too many arcs.
    """

    def __init__(
        self,
        functions: Sequence[Sequence[Table]],
        *,
        allowed: Sequence[Table],
        sizes: Sequence[int],
    ) -> None:
        self._sizes = tuple(sizes)
        self._factors = [(-1, table) for table in absorb(allowed, np.logical_and)]
        for number, tables in enumerate(functions):
            self._factors += [(number, table) for table in absorb(tables)]
        self._functions = len(functions)
        self.layers = self._compiled()

    @property
    def variables(self) -> int:
        """Number of variables."""
        return len(self._sizes)

    @property
    def arcs(self) -> int:
        """Number of arcs of all layers."""
        return sum(layer.before.size for layer in self.layers)

    def costs(self, weights: Sequence[float] | Floats) -> list[Floats]:
        """Return for every layer a weighted sum of the functions, float64 [s, o].

        Arcs that do not exist cost infinity.
        """
        factors = np.asarray(weights, dtype=np.float64)
        return [
            np.where(layer.allowed, np.tensordot(factors, layer.costs, axes=1), np.inf)
            for layer in self.layers
        ]

    def smallest(self, costs: Sequence[Floats]) -> list[Floats]:
        """Return the smallest cost of any way into every state, float64 [s] for each layer.

        Args:
            costs: Of the arcs, as `costs` returns them.
        """
        result, into = [], np.zeros(1)
        for layer, cost in zip(self.layers, costs, strict=True):
            into = (into[layer.before] + cost).min(axis=1, initial=np.inf)
            result.append(into)
        return result

    def reduced(self, costs: Sequence[Floats]) -> list[Floats]:
        """Return what each arc costs beyond the cheapest way into its state; infinity stays.

        On any path they add up to its cost less the smallest of all paths.
        """
        result, into = [], np.zeros(1)
        for layer, cost, best in zip(self.layers, costs, self.smallest(costs), strict=True):
            total = into[layer.before] + cost
            reached = np.isfinite(total)
            result.append(np.where(reached, total - np.where(reached, best[:, None], 0), np.inf))
            into = best
        return result

    def assignments(self, arcs: Sequence[NDArray[np.intp]]) -> NDArray[np.int16]:
        """Return the values of all variables on paths, int16 [n, v].

        Args:
            arcs: For each layer the option that each path takes, [n].
        """
        rows = np.zeros((len(arcs[0]), len(self._sizes)), dtype=np.int16)
        for layer, chosen in zip(self.layers, arcs, strict=True):
            rows[:, layer.group] = layer.options[chosen]
        return rows

    # how the layers are made

    def _compiled(self) -> tuple[Layer, ...]:
        factors, groups = list(self._factors), self._groups()
        frontier: tuple[int, ...] = ()
        layers = []
        while groups:
            frontiers = {group: self._after(frontier, group, factors) for group in groups}
            group = min(groups, key=lambda g: (self._product(frontiers[g]), self._product(g)))
            layers.append(self._layer(frontier, frontiers[group], group, factors))
            factors = [(k, t) for k, t in factors if t.scope and set(group).isdisjoint(t.scope)]
            frontier = frontiers[group]
            groups.remove(group)
        return tuple(layers)

    def _groups(self) -> list[tuple[int, ...]]:
        """Return the variables, those read by the same tables together."""
        readers: dict[frozenset[int], list[int]] = {}
        for variable in range(len(self._sizes)):
            reading = [i for i, (_, table) in enumerate(self._factors) if variable in table.scope]
            readers.setdefault(frozenset(reading), []).append(variable)
        groups: list[tuple[int, ...]] = []
        for members in readers.values():
            joint = self._product(members) <= _MAX_JOINT_OPTIONS
            groups += [tuple(members)] if joint else [(variable,) for variable in members]
        return groups

    def _after(
        self,
        frontier: Sequence[int],
        group: Sequence[int],
        factors: Sequence[tuple[int, Table]],
    ) -> tuple[int, ...]:
        touched = {v for _, t in factors if not set(group).isdisjoint(t.scope) for v in t.scope}
        return tuple(sorted((touched | set(frontier)) - set(group)))

    def _product(self, variables: Sequence[int]) -> int:
        return math.prod(self._sizes[v] for v in variables)

    def _layer(
        self,
        before: tuple[int, ...],
        after: tuple[int, ...],
        group: tuple[int, ...],
        factors: Sequence[tuple[int, Table]],
    ) -> Layer:
        states, options = self._product(after), self._product(group)
        if states * options > _MAX_ARCS:
            raise SpaceError(
                f"Counting by cost needs {states * options:,} arcs in one step (at most "
                f"{_MAX_ARCS:,}): too many slots share too many choices. Let slots read fewer "
                "choices or a fold."
            )
        axes = (*after, *group)
        shape = [self._sizes[v] for v in axes]
        index = np.zeros(shape, dtype=np.intp)
        for variable in before:
            size = self._sizes[variable]
            values = np.arange(size).reshape([size if v == variable else 1 for v in axes])
            index = index * size + values
        allowed = np.ones(shape, dtype=np.bool_)
        costs = np.zeros((self._functions, *shape))
        for kind, table in factors:
            if not table.scope or not set(group).isdisjoint(table.scope):
                aligned = align(_reordered(table, axes), axes)
                if kind < 0:
                    allowed &= aligned
                else:
                    costs[kind] += aligned
        combinations = itertools.product(*(range(self._sizes[v]) for v in group))
        joint = np.array(list(combinations), dtype=np.int16).reshape(options, len(group))
        allowed = allowed.reshape(states, options)
        used = np.flatnonzero(allowed.any(axis=0))
        return Layer(
            group,
            joint[used],
            index.reshape(states, options)[:, used],
            allowed[:, used],
            costs.reshape(self._functions, states, options)[:, :, used],
        )


def _reordered(table: Table, axes: Sequence[int]) -> Table:
    """Return a table whose scope follows the order of ``axes``."""
    order = sorted(range(len(table.scope)), key=lambda axis: axes.index(table.scope[axis]))
    return Table(tuple(table.scope[axis] for axis in order), table.values.transpose(order))
