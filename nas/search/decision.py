"""Is there any architecture within all limits? An exact answer, or the closest one found.

Limits on costs that are a maximum over slots are filters of the elimination itself; limits on
sums are decided by Lagrangian bounds and branch and bound (Land and Doig 1960): an option of a
choice is fixed wherever the bound does not decide yet. Every minimiser on the way is improved
by changing one or two choices, which is what closes most gaps in practice.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nas.search.problem import Problem, UpperLimit
from nas.search.relaxation import Relaxed, relax
from predictors.cost import any_allowed
from search_spaces import Population
from search_spaces.tables import Table

__all__ = ["Decision", "decide"]

_PROVEN = 1.0 + 1e-9
_MAX_PAIRS = 100_000

Row = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to "is there any architecture within all limits?".

    Attributes:
        row: A feasible architecture or the closest one found, int16 [d].
        feasible: Whether ``row`` meets all limits.
        bound: No architecture that meets the limits on maxima has a smaller largest ratio of
            cost to limit over the additive costs. Above 1 it proves that none is feasible.
    """

    row: Row
    feasible: bool
    bound: float

    @property
    def impossible(self) -> bool:
        """Whether it is proven that no architecture meets all limits."""
        return self.bound > _PROVEN


def decide(
    problem: Problem, *, limits: Sequence[UpperLimit] | None = None, nodes: int = 100
) -> Decision:
    """Find an architecture within the limits, or prove that there is none.

    Args:
        problem: The space and its costs.
        limits: By default the problem's own.
        nodes: How many restrictions of the space to bound at most before the answer stays
            open; 0 uses one bound for the whole space.
    """
    limits = problem.limits if limits is None else tuple(limits)
    problem = Problem(problem.space, costs=problem.costs, limits=tuple(limits))
    sums, allowed = problem.additive_limits, problem.filters
    start = any_allowed(problem.space, allowed)
    if start is None:
        nothing = np.zeros(len(problem.space.choices), dtype=np.int16)
        return Decision(nothing, feasible=False, bound=np.inf)
    if not sums:
        return Decision(problem.space.encode(start), feasible=True, bound=-np.inf)
    return _Branching(problem, sums, allowed).run(nodes)


class _Branching:
    """Branch and bound over the restrictions "choice v takes option o"."""

    def __init__(
        self, problem: Problem, sums: Sequence[UpperLimit], allowed: Sequence[Table]
    ) -> None:
        self._problem = problem
        self._costs = [problem.costs[limit.metric] for limit in sums]
        self._limits = [limit.largest for limit in sums]
        self._allowed = list(allowed)
        self._best = np.zeros(len(problem.space.choices), dtype=np.int16)
        self._violation = np.inf

    def run(self, nodes: int) -> Decision:
        """Return the answer, or the closest architecture when the nodes are used up."""
        root = relax(self._costs, self._limits, allowed=self._allowed)
        self._try(root)
        if self._violation > 0 and root.bound <= _PROVEN:
            return self._branch(root, nodes)
        return self._decision(root.bound)

    def _branch(self, root: Relaxed, nodes: int) -> Decision:
        order = itertools.count()
        open_nodes: list[tuple[float, int, dict[int, int], Relaxed]] = []
        heapq.heappush(open_nodes, (root.bound, next(order), {}, root))
        proven = np.inf
        while open_nodes:
            bound, _, fixed, parent = heapq.heappop(open_nodes)
            variable = self._undecided(parent.population, fixed)
            options = self._problem.space.variable_sizes[variable] if variable >= 0 else 0
            nodes -= options
            if nodes < 0 or not options:
                return self._decision(min(bound, proven))
            for option in range(options):
                child = {**fixed, variable: option}
                relaxed = self._relax(child, parent)
                if relaxed.bound > _PROVEN:
                    proven = min(proven, relaxed.bound)
                    continue
                self._try(relaxed)
                if self._violation == 0:
                    return self._decision(bound)
                heapq.heappush(
                    open_nodes, (max(bound, relaxed.bound), next(order), child, relaxed)
                )
        return self._decision(proven)

    def _relax(self, fixed: dict[int, int], parent: Relaxed) -> Relaxed:
        sizes = self._problem.space.variable_sizes
        tables = [Table((v,), np.arange(sizes[v]) == option) for v, option in fixed.items()]
        kept = np.all([parent.population[:, v] == option for v, option in fixed.items()], axis=0)
        return relax(
            self._costs,
            self._limits,
            allowed=[*self._allowed, *tables],
            known=parent.population[kept],
            threshold=_PROVEN,
        )

    def _undecided(self, population: Population, fixed: dict[int, int]) -> int:
        """Return the free choice on which the minimisers differ most, -1 when none is free."""
        counts = self._problem.space.option_counts
        spread = [len(np.unique(column)) for column in population.T]
        free = [v for v in range(len(counts)) if v not in fixed and counts[v] > 1]
        return max(free, key=lambda v: spread[v], default=-1)

    def _try(self, relaxed: Relaxed) -> None:
        """Keep the closest minimiser, improved by small changes."""
        if not len(relaxed.population):
            return
        row, violation = _polish(self._problem, relaxed.population[relaxed.closest])
        if violation < self._violation:
            self._best, self._violation = row, violation

    def _decision(self, bound: float) -> Decision:
        row = self._problem.space.canonical(self._best[None])[0]
        return Decision(row, feasible=self._violation == 0, bound=bound)


def _polish(problem: Problem, row: Row) -> tuple[Row, float]:
    """Change one or two choices as long as that lowers the violation."""
    violation = float(problem.violation(row[None])[0])
    while violation > 0:
        changed = _changes(problem, row)
        if not len(changed):
            break
        violations = problem.violation(changed)
        best = int(violations.argmin())
        if violations[best] >= violation:
            break
        row, violation = changed[best], float(violations[best])
    return row, violation


def _changes(problem: Problem, row: Row) -> Population:
    """Return all rows that differ in one choice, and in two where they are not too many."""
    counts = problem.space.option_counts
    moves = np.array(
        [(v, o) for v, count in enumerate(counts) for o in range(count) if o != row[v]],
        dtype=np.intp,
    ).reshape(-1, 2)
    first = np.arange(len(moves))
    second = first
    if len(moves) ** 2 <= 2 * _MAX_PAIRS:
        first, second = np.triu_indices(len(moves))
    changed = np.repeat(row[None], len(first), axis=0)
    position = np.arange(len(first))
    changed[position, moves[first, 0]] = moves[first, 1]
    changed[position, moves[second, 0]] = moves[second, 1]
    return changed
