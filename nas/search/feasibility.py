"""The check before a search: a feasible architecture, or exactly why there is none."""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass

from nas.errors import InfeasibleError
from nas.search.decision import Decision, decide
from nas.search.problem import Problem, UpperLimit, number
from search_spaces import Architecture

__all__ = ["Witness", "check_feasible"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Witness:
    """An architecture that meets all limits, or the closest one found.

    Attributes:
        architecture: Canonical.
        feasible: Whether it meets all limits. False means that the question is open: none was
            found, but it is not proven that there is none.
    """

    architecture: Architecture
    feasible: bool


def check_feasible(problem: Problem, *, nodes: int = 100) -> Witness:
    """Return an architecture within all limits.

    Each limit is checked against the exact minimum of its cost, then all of them together by
    Lagrangian bounds and branch and bound; see `decision.decide`.

    Args:
        problem: The space, its costs and the limits on them.
        nodes: How much of the space to branch over before the answer stays open.

    Raises:
        InfeasibleError: It is proven that no architecture meets all limits. The message has
            every limit and the exact smallest reachable value of its cost.
    """
    alone = [limit for limit in problem.limits if _smallest(problem, limit) > limit.largest]
    if alone:
        raise InfeasibleError(_alone_message(problem, alone))
    decision = decide(problem, nodes=nodes)
    if decision.impossible:
        raise InfeasibleError(_joint_message(problem, decision))
    witness = Witness(problem.space.decode(decision.row), decision.feasible)
    if not decision.feasible:
        logger.warning(
            "No architecture within the limits was found yet, and none is proven impossible; "
            "the closest one has %s. The search goes on.",
            _values(problem, decision),
        )
    return witness


def _smallest(problem: Problem, limit: UpperLimit) -> float:
    return problem.costs[limit.metric].minimum().value


def _table(problem: Problem) -> str:
    """Return a line for every limit with the smallest reachable value of its cost."""
    lines = [
        f"  {limit}: the smallest reachable is {number(_smallest(problem, limit))}"
        for limit in problem.limits
    ]
    return "\n".join(lines)


def _alone_message(problem: Problem, alone: Sequence[UpperLimit]) -> str:
    needed = " and ".join(
        f"{limit.metric} to at least {number(_smallest(problem, limit))}" for limit in alone
    )
    return (
        f"No architecture of {problem.space.name} meets the limit on "
        f"{_names(alone, 'or')}.\n{_table(problem)}\n"
        f"Raise {needed}, or choose a space with smaller networks."
    )


def _joint_message(problem: Problem, decision: Decision) -> str:
    clash = _clashing(problem)
    raised = (
        f"Raise {_names(clash, 'or')}, or choose a space with smaller networks.\n"
        f"The closest architecture found has {_values(problem, decision)}."
    )
    sums = [limit for limit in clash if problem.costs[limit.metric].reduce == "sum"]
    if sums:
        bound = max(decide(problem, limits=clash, nodes=0).bound, 1.0)
        if len(clash) == len(problem.limits):
            bound = max(bound, decision.bound)
        kept = [limit for limit in clash if limit not in sums]
        raised = (
            f"{_names(sums)} would have to be raised{' together' if len(sums) > 1 else ''} "
            f"by at least "
            f"{_percent(bound - 1.0)}{f', keeping {_names(kept)}' if kept else ''}. {raised}"
        )
    return (
        f"No architecture of {problem.space.name} meets all limits at once: "
        f"{_names(clash)} clash, though each can be met alone.\n"
        f"{_table(problem)}\n{raised}"
    )


def _clashing(problem: Problem) -> tuple[UpperLimit, ...]:
    """Return a smallest set of limits that one bound proves to clash, else all of them."""
    for size in range(2, len(problem.limits)):
        for subset in itertools.combinations(problem.limits, size):
            if decide(problem, limits=subset, nodes=0).impossible:
                return subset
    return problem.limits


def _names(limits: Sequence[UpperLimit], word: str = "and") -> str:
    return f" {word} ".join(limit.metric for limit in limits)


def _percent(share: float) -> str:
    """Return a share as a percentage, rounded down to three digits: it is a lower bound."""
    if share < 1e-8:
        return "a trace"
    unit = 10.0 ** (math.floor(math.log10(share)) - 2)
    return f"{math.floor(share / unit + 1e-6) * unit * 100:.3g}%"


def _values(problem: Problem, decision: Decision) -> str:
    row = decision.row[None]
    return ", ".join(
        f"{limit.metric} {number(float(problem.costs[limit.metric](row)[0]))} "
        f"(limit {number(limit.value)})"
        for limit in problem.limits
    )
