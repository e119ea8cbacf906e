"""Costs: a pure function of blocks, compiled into one small table for each slot.

    cost(population)[i] = constant + reduce_k  table_k[population[i, scope_k]]

A compiled cost prices millions of architectures a second, knows its exact minimum and
maximum over the space by variable elimination, and can be broken down by block.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from predictors.errors import TableError
from predictors.provenance import Provenance
from search_spaces import Architecture, Population, SearchSpace
from search_spaces.blocks import BlockSpec
from search_spaces.tables import Evaluator, Table, absorb, extremum
from search_spaces.windows import Window

__all__ = [
    "CostModel",
    "CostTable",
    "Described",
    "Extreme",
    "any_allowed",
    "compile_cost",
    "cost_window",
    "weighted_minimum",
    "weighted_tables",
]

_MAX_DRAWS = 1_000_000
_MAX_WINDOWS = 8


class Described(Protocol):
    """What is to be said of any cost: a name with its unit, and how its parts combine."""

    @property
    def metric(self) -> str:
        """Name with the unit in it, for example ``latency_ms``."""

    @property
    def reduce(self) -> Literal["sum", "max"]:
        """How the prices of the blocks combine."""

    @property
    def constant(self) -> float:
        """Added once for a whole network."""

    @property
    def provenance(self) -> Provenance:
        """Where the prices come from."""


class CostModel(Described, Protocol):
    """What a cost model must offer: see `Described`, and a price for one block.

    It must be a pure function of the block and never touch a torch module.
    """

    def __call__(self, block: BlockSpec) -> float:
        """Return the price of one block."""


@dataclass(frozen=True, slots=True)
class Extreme:
    """An exact smallest or largest cost and an architecture that has it."""

    value: float
    architecture: Architecture


class CostTable:
    """A cost compiled for one space.

    Args:
        space: The space it prices.
        model: Name, reduction, constant and provenance.
        tables: One for each slot of the space, or for each of ``parts``.
        parts: Names of the tables in a breakdown; by default those of the slots.
        canonical_only: Whether the tables hold for canonical rows only; others are made
            canonical before they are priced.
    """

    def __init__(
        self,
        space: SearchSpace,
        model: Described,
        tables: Sequence[Table],
        *,
        parts: Sequence[str] | None = None,
        canonical_only: bool = False,
    ) -> None:
        self.space = space
        self.parts = tuple(slot.name for slot in space.slots) if parts is None else tuple(parts)
        self.metric = model.metric
        self.provenance = model.provenance
        self.reduce: Literal["sum", "max"] = model.reduce
        self.constant = model.constant
        self.tables = tuple(tables)
        self._ufunc: np.ufunc = np.add if model.reduce == "sum" else np.maximum
        self._absorbed = absorb(self.tables, self._ufunc)
        self._evaluator = Evaluator(self._absorbed, reduce=self._ufunc)
        self.canonical_only = canonical_only
        self._rules = space.canonical_tables if canonical_only else ()
        self._windows: dict[tuple[float, float], Window] = {}

    def named(self, metric: str) -> Self:
        """Return the same cost under another name, which states the same unit."""
        other = copy.copy(self)
        other.metric = metric
        return other

    def __call__(self, population: Population) -> NDArray[np.float64]:
        """Return the cost of every row, float64 [n], for a population [n, d]."""
        if self._rules:
            population = self.space.canonical(population)
        total: NDArray[np.float64] = self._evaluator(self.space.variables(population))
        if self.constant:
            total += self.constant
        return total

    def of(self, architecture: Architecture) -> float:
        """Return the cost of one architecture."""
        return float(self(self.space.encode(architecture)[None])[0])

    def breakdown(self, architecture: Architecture) -> dict[str, float]:
        """Return the price of every slot, or other part, by name; skipped slots cost zero.

        The constant of the cost belongs to no part and is left out.
        """
        row = self.space.encode(architecture)[None]
        row = self.space.variables(self.space.canonical(row) if self._rules else row)[0]
        return {
            part: float(table.values[tuple(row[list(table.scope)])])
            for part, table in zip(self.parts, self.tables, strict=True)
        }

    def minimum(self) -> Extreme:
        """Return the exact smallest cost in the space."""
        return self._minimum

    def maximum(self) -> Extreme:
        """Return the exact largest cost in the space."""
        return self._maximum

    @cached_property
    def _minimum(self) -> Extreme:
        return self._extreme("min")

    @cached_property
    def _maximum(self) -> Extreme:
        return self._extreme("max")

    def within(self, limit: float) -> tuple[Table, ...]:
        """Return tables of bool that are all true exactly where the cost is at most a limit.

        Raises:
            TableError: The cost is a sum over slots, which no single slot decides.
        """
        if self.reduce != "max":
            raise TableError(
                f"A limit on {self.metric} cannot be checked slot by slot: it is a sum. "
                "Use weighted_minimum with its weight above zero."
            )
        return tuple(Table(t.scope, t.values <= limit - self.constant) for t in self._absorbed)

    def sample(
        self,
        n: int,
        *,
        low: float = -math.inf,
        high: float = math.inf,
        rng: np.random.Generator,
    ) -> Population:
        """Draw architectures uniformly, with replacement, from those that cost low to high.

        Every canonical architecture of the window has the same probability, however few there
        are; see `search_spaces.windows`. The counts of the last few windows are kept, so
        drawing again is fast.

        Args:
            n: How many.
            low: Smallest cost, in the metric's unit.
            high: Largest cost, in the metric's unit.
            rng: The source of randomness.

        Returns:
            Canonical rows, int16 [n, d].

        Raises:
            TableError: No architecture is within the window, or none was found in a million
                draws close to it.
            SpaceError: Slots share so many choices that counting would not fit in memory.
        """
        window = self.window(low, high)
        found = [np.empty((0, len(self.space.choices)), dtype=np.int16)]
        missing, drawn = n, 0
        while missing and window.log_count > -math.inf and drawn < _MAX_DRAWS + 100 * n:
            rows = window.draw(missing + missing // 8 + 64 + min(drawn, 65_536), rng)
            drawn += len(rows)
            costs = self(rows)
            found.append(rows[(costs >= low) & (costs <= high)][:missing])
            missing -= len(found[-1])
        if missing:
            raise TableError(
                f"No{'' if window.log_count == -math.inf else ' or hardly any'} architecture of "
                f"{self.space.name} has {self.metric} from {low:,.6g} to {high:,.6g}. The space "
                f"has {self.minimum().value:,.6g} to {self.maximum().value:,.6g}; "
                "widen the window."
            )
        return np.concatenate(found)

    def window(self, low: float, high: float) -> Window:
        """Return what `sample` draws from: the window and few beyond its edges; kept."""
        key = (low, high)
        if key not in self._windows:
            if len(self._windows) >= _MAX_WINDOWS:
                del self._windows[next(iter(self._windows))]
            if self.reduce == "sum":
                self._windows[key] = cost_window([self], [1.0], low=low, high=high)
            else:
                self._windows[key] = cost_window(
                    [], [], space=self.space, allowed=self.within(high)
                )
        return self._windows[key]

    def _extreme(self, sense: Literal["min", "max"]) -> Extreme:
        return _solve(self.space, self._absorbed, sense, self._ufunc, self.constant, self._rules)


def _solve(
    space: SearchSpace,
    tables: Sequence[Table],
    sense: Literal["min", "max"],
    ufunc: np.ufunc,
    constant: float,
    allowed: Sequence[Table] = (),
) -> Extreme:
    """Find an exact extreme and the canonical architecture that has it."""
    steps, sizes = space.fold_steps
    value, assignment = extremum(
        tables, sizes, sense=sense, reduce=ufunc, allowed=[*steps, *allowed]
    )
    row = space.canonical(assignment[None, : len(space.choices)])[0]
    return Extreme(value + constant, space.decode(row))


def compile_cost(space: SearchSpace, model: CostModel) -> CostTable:
    """Price every different block of the space once and compile the per-slot tables.

    Raises:
        TableError: A price, or the model's constant, is infinite or not a number.
    """

    def price(block: BlockSpec) -> float:
        value = float(model(block))
        if not math.isfinite(value):
            raise TableError(
                f"The {model.metric} of {block} is {value}; a price is a finite number."
            )
        return value

    if not math.isfinite(model.constant):
        raise TableError(
            f"The constant of {model.metric} is {model.constant}, not a finite number."
        )
    return CostTable(space, model, space.slot_tables(price))


def weighted_minimum(
    costs: Sequence[CostTable], weights: Sequence[float], *, allowed: Sequence[Table] = ()
) -> Extreme:
    """Return the exact minimum of a weighted sum of additive costs.

    With weights over limits this is a Lagrangian bound: if the minimum of
    ``sum_i w_i cost_i / limit_i`` with ``sum_i w_i = 1`` exceeds one, no architecture meets
    all limits at once.

    Args:
        costs: Additive costs of one space.
        weights: One non-negative number for each.
        allowed: Tables of bool over the space's variables, for example from
            `CostTable.within`; only architectures for which all are true count.

    Returns:
        The minimum; its value is infinite when no architecture is allowed.

    Raises:
        TableError: A cost is a maximum over slots; pass it as `CostTable.within` a limit.
    """
    tables, constant = weighted_tables(costs, weights)
    rules = [table for cost in costs for table in cost._rules]
    return _solve(costs[0].space, absorb(tables), "min", np.add, constant, [*rules, *allowed])


def cost_window(
    costs: Sequence[CostTable],
    weights: Sequence[float],
    *,
    low: float = -math.inf,
    high: float = math.inf,
    allowed: Sequence[Table] = (),
    space: SearchSpace | None = None,
) -> Window:
    """Return the architectures whose weighted sum of additive costs lies in a window.

    Args:
        costs: Additive costs of one space; may be none when the space is given.
        weights: One for each.
        low: Smallest weighted sum.
        high: Largest weighted sum.
        allowed: Tables of bool, for example from `CostTable.within`.
        space: By default that of the first cost.

    Raises:
        TableError: A cost is a maximum over slots.
        SpaceError: Slots share so many choices that counting would not fit in memory.
    """
    tables, constant = weighted_tables(costs, weights)
    return Window(
        space or costs[0].space,
        [*tables, Table((), np.zeros(()))],
        low=low - constant,
        high=high - constant,
        allowed=allowed,
    )


def weighted_tables(
    costs: Sequence[CostTable], weights: Sequence[float]
) -> tuple[list[Table], float]:
    """Return the tables and the constant of a weighted sum of additive costs.

    Raises:
        TableError: A cost is a maximum over slots; pass it as `CostTable.within` a limit.
    """
    for cost in costs:
        if cost.reduce != "sum":
            raise TableError(
                f"{cost.metric} is a maximum over slots and has no place in a weighted sum. "
                "Pass it as `allowed`, from CostTable.within."
            )
    tables = [
        Table(table.scope, weight * table.values)
        for cost, weight in zip(costs, weights, strict=True)
        for table in cost._absorbed
    ]
    constant = sum(w * cost.constant for cost, w in zip(costs, weights, strict=True))
    return tables, constant


def any_allowed(space: SearchSpace, allowed: Sequence[Table]) -> Architecture | None:
    """Return an architecture for which all tables of bool are true, None when there is none."""
    nothing = Table((), np.zeros(()))
    found = _solve(space, [nothing], "min", np.add, 0.0, allowed)
    return found.architecture if found.value == 0.0 else None
