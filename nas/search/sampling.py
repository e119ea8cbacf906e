"""Random architectures within the limits, new to the history; always in bounded time."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from nas.search.history import History, Proposals
from nas.search.problem import Problem
from search_spaces import Population

__all__ = ["draw_feasible", "draw_within"]

_BATCH = 4096
_MAX_DRAWS = 65_536
_MIN_SHARE = 0.01
_MIN_CHAINS = 64


def draw_feasible(
    history: History, count: int, *, rng: np.random.Generator, besides: Iterable[int] = ()
) -> Proposals:
    """Return up to ``count`` random feasible architectures that were never proposed.

    Options are drawn uniformly and rejected while one in a hundred meets the limits. Where
    fewer do, small spaces are enumerated, and of large ones networks are drawn uniformly from
    those within the limits, see `search_spaces.windows`. Only where several limits on sums
    clash, or the space cannot be counted, random walks within the limits find the rest.

    Args:
        history: What was proposed, and the problem.
        count: How many are wanted.
        rng: The source of randomness.
        besides: More keys that do not count as new.

    Returns:
        Canonical architectures by the operators ``random`` and ``walk``; fewer than ``count``
        when the space is exhausted, which is certain for small spaces, or when nothing new was
        found in about 65,000 draws.
    """
    taken, problem = set(besides), history.problem
    found = Proposals.none(len(problem.space.choices))
    for source in (_by_rejection, _by_enumeration, _by_window, _by_walk):
        if len(found) < count:
            found = found.join(source(history, count - len(found), rng, taken))
    return found


def draw_within(problem: Problem, count: int, rng: np.random.Generator) -> Population:
    """Return up to ``count`` random feasible architectures, drawn with replacement.

    Options are drawn uniformly; where hardly any meet the limits, networks are, from those
    within the limits. Fewer are returned when next to nothing is found in one batch.
    """
    rows = problem.space.sample(4 * count + 64, rng)
    rows = rows[problem.feasible(rows)]
    if len(rows) < count and problem.window is not None:
        rows = problem.window.draw(count + count // 8 + 64, rng)
        rows = rows[problem.feasible(rows)]
    return rows[:count]


def _pick(
    history: History, rows: Population, count: int, taken: set[int], operator: str
) -> Proposals:
    """Return the first ``count`` new ones of feasible rows, and add their keys to ``taken``."""
    space = history.problem.space
    keys = space.keys(rows)
    chosen = history.fresh(keys, besides=taken)[:count]
    taken.update(keys[chosen].tolist())
    return Proposals(space.canonical(rows[chosen]), [operator] * len(chosen), [()] * len(chosen))


def _by_rejection(
    history: History, count: int, rng: np.random.Generator, taken: set[int]
) -> Proposals:
    problem = history.problem
    found = Proposals.none(len(problem.space.choices))
    drawn, size = 0, max(2 * count, 64)
    while len(found) < count and drawn < _MAX_DRAWS:
        rows = problem.space.sample(size, rng)
        rows = rows[problem.feasible(rows)]
        new = _pick(history, rows, count - len(found), taken, "random")
        found = found.join(new)
        if len(new) < _MIN_SHARE * size:
            break
        drawn, size = drawn + size, _BATCH
    return found


def _by_enumeration(
    history: History, count: int, rng: np.random.Generator, taken: set[int]
) -> Proposals:
    problem = history.problem
    if not problem.space.enumerable:
        return Proposals.none(len(problem.space.choices))
    rows = rng.permutation(problem.space.enumerated)
    return _pick(history, rows[problem.feasible(rows)], count, taken, "random")


def _by_window(
    history: History, count: int, rng: np.random.Generator, taken: set[int]
) -> Proposals:
    problem = history.problem
    found = Proposals.none(len(problem.space.choices))
    if problem.space.enumerable or problem.window is None:
        return found
    drawn = 0
    while len(found) < count and drawn < _MAX_DRAWS:
        rows = problem.window.draw(max(2 * (count - len(found)), _BATCH), rng)
        drawn += len(rows)
        rows = rows[problem.feasible(rows)]
        new = _pick(history, rows, count - len(found), taken, "random")
        if not len(new):
            break
        found = found.join(new)
    return found


def _by_walk(history: History, count: int, rng: np.random.Generator, taken: set[int]) -> Proposals:
    """Walk at random where no step breaks a limit further; late states first.

    About two choices are redrawn in a step, and four steps made for each choice, so that the
    walks forget where they started.
    """
    problem = history.problem
    choices = len(problem.space.choices)
    if problem.space.enumerable or not problem.limits:
        return Proposals.none(choices)
    starts = np.concatenate([history.starts, history.population[history.feasible]])
    if not len(starts):
        starts = problem.space.sample(_MIN_CHAINS, rng)
    rows = starts[rng.integers(0, len(starts), size=max(count, _MIN_CHAINS))]
    violation = problem.violation(rows)
    visited = [rows[violation == 0]]
    for _ in range(4 * choices):
        moved = problem.space.mutate(rows, rng, probability=min(1.0, 2.0 / choices))
        after = problem.violation(moved)
        accepted = after <= violation
        rows = np.where(accepted[:, None], moved, rows)
        violation = np.where(accepted, after, violation)
        visited.append(rows[violation == 0])
    return _pick(history, np.concatenate(visited[::-1]), count, taken, "walk")
