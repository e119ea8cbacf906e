"""Random architectures within the limits, new to the history; always in bounded time."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from nas.search.history import History, Proposals
from search_spaces import Population

__all__ = ["draw_feasible"]

_BATCH = 4096
_MAX_DRAWS = 65_536
_MAX_ENUMERATED = 131_072
_MIN_CHAINS = 64


def draw_feasible(
    history: History, count: int, *, rng: np.random.Generator, besides: Iterable[int] = ()
) -> Proposals:
    """Return up to ``count`` random feasible architectures that were never proposed.

    Uniform draws are rejected until enough meet the limits. Where hardly any does, small spaces
    are enumerated, and large ones explored by random walks within the limits, which start at
    architectures known to be feasible.

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
    taken = set(besides)
    found = _by_rejection(history, count, rng, taken)
    if len(found) < count:
        more = count - len(found)
        if np.prod(history.problem.space.option_counts, dtype=np.float64) <= _MAX_ENUMERATED:
            found = found.join(_by_enumeration(history, more, rng, taken))
        elif history.problem.limits:
            found = found.join(_by_walk(history, more, rng, taken))
    return found


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
        found = found.join(_pick(history, rows, count - len(found), taken, "random"))
        drawn, size = drawn + size, _BATCH
        if drawn >= 2 * _BATCH and not len(rows):
            break
    return found


def _by_enumeration(
    history: History, count: int, rng: np.random.Generator, taken: set[int]
) -> Proposals:
    problem = history.problem
    counts = problem.space.option_counts.astype(np.int64)
    strides = np.concatenate([[1], np.cumprod(counts)])
    numbers = rng.permutation(int(strides[-1]))
    rows = (numbers[:, None] // strides[:-1] % counts).astype(np.int16)
    rows = rows[problem.feasible(rows)]
    return _pick(history, rows, count, taken, "random")


def _by_walk(history: History, count: int, rng: np.random.Generator, taken: set[int]) -> Proposals:
    """Walk at random where no step breaks a limit further; late states first.

    About two choices are redrawn in a step, and four steps made for each choice, so that the
    walks forget where they started.
    """
    problem = history.problem
    choices = len(problem.space.choices)
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
