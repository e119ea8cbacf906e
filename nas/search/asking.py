"""Proposals from an engine of others that is asked one architecture at a time.

Such engines (Optuna's samplers, NNI's tuners) repeat themselves and take no notice of hard
limits. Here every answer that cannot be used is told back at once: a repetition with its value
from the history, an architecture outside the limits with how far it is outside, priced from the
compiled costs without an evaluation. Then the engine is asked again, a bounded number of times.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nas.search.breeding import repaired
from nas.search.history import History, Proposals
from nas.search.sampling import draw_feasible

__all__ = ["Ask", "Engine", "penalty", "propose_by_asking"]

_TRIES = 10
_NEIGHBOUR_DRAWS = 5


@dataclass(frozen=True, slots=True)
class Ask:
    """What an engine asks for: an architecture, int16 [d], and its own word for it."""

    token: Any
    row: NDArray[np.int16]


class Engine(Protocol):
    """One round of talk with an engine that knows the history.

    Attributes:
        operator: What its proposals are noted as, for example ``TPESampler``.
    """

    @property
    def operator(self) -> str: ...  # noqa: D102

    def ask(self) -> Ask | None:
        """Return the next architecture; None when the engine has no more."""

    def accept(self, ask: Ask, excess: NDArray[np.float64]) -> None:
        """Hear that an architecture will be evaluated in this round.

        Args:
            ask: What was asked for.
            excess: Each limited cost over its limit minus 1, float64 [limits]; none is above 0.
        """

    def answer(
        self, ask: Ask, values: NDArray[np.float64] | None, excess: NDArray[np.float64]
    ) -> None:
        """Hear what is known of an architecture that will not be evaluated.

        Args:
            ask: What was asked for.
            values: Of the objectives, float64 [objectives]; None where it was asked for in
                this round already, or its evaluation failed.
            excess: Each limited cost over its limit minus 1, float64 [limits]. Where one is
                above 0 and the architecture was never evaluated, the values are a `penalty`.
        """


def penalty(history: History, excess: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values for an architecture outside the limits, float64 [objectives].

    Each is the worst of the history, less the spread of the history times the sum of the
    relative excesses, this sum being at most 1. An empty history gives zeros.
    """
    problem = history.problem
    if not len(history):
        return np.zeros(len(problem.objectives))
    gains = problem.gains(history.values)
    worst, best = gains.min(axis=0), gains.max(axis=0)
    outside = min(float(np.maximum(excess, 0.0).sum()), 1.0)
    return problem.gains(worst - outside * (best - worst))


def propose_by_asking(
    engine: Engine,
    history: History,
    count: int,
    *,
    rng: np.random.Generator,
    asks: int | None = None,
    fill: bool = True,
) -> Proposals:
    """Return up to ``count`` new feasible architectures, most of them the engine's.

    When the engine has said too much that is of no use, random neighbours of what it said, and
    then random architectures, make up the rest.

    Args:
        engine: Knows the history.
        history: What was proposed, and the problem.
        count: How many are wanted.
        rng: For the rest.
        asks: How many asks of no use are too many; none allows two a proposal, and ten.
        fill: Whether there is a rest; without it fewer may be returned, or none.
    """
    problem, space = history.problem, history.problem.space
    positions = {key: position for position, key in enumerate(history.keys.tolist())}
    accepted: list[NDArray[np.int16]] = []
    taken: set[int] = set()
    strays: list[tuple[NDArray[np.int16], int]] = []
    most = _TRIES + 2 * count if asks is None else asks
    while len(accepted) < count and len(strays) < most:
        ask = engine.ask()
        if ask is None:
            break
        row = space.canonical(ask.row[None])
        keys = space.keys(row)
        key = int(keys[0])
        excess = problem.ratios(row)[0] - 1.0
        if (excess <= 0).all() and len(history.fresh(keys, besides=taken)):
            engine.accept(ask, excess)
            accepted.append(row[0])
            taken.add(key)
            continue
        values = None
        if key in positions:
            values = history.values[positions[key]]
        elif (excess > 0).any():
            values = penalty(history, excess)
        engine.answer(ask, values, excess)
        strays.append((row[0], key))
    none = Proposals.none(len(space.choices))
    rows = np.array(accepted, dtype=np.int16).reshape(len(accepted), len(space.choices))
    found = none.join(Proposals(rows, [engine.operator] * len(rows), [()] * len(rows)))
    if not fill:
        return found
    found = found.join(_nearby(history, strays, count - len(found), taken, rng))
    return found.join(draw_feasible(history, count - len(found), rng=rng, besides=taken))


def _nearby(
    history: History,
    strays: list[tuple[NDArray[np.int16], int]],
    count: int,
    taken: set[int],
    rng: np.random.Generator,
) -> Proposals:
    """Return new mutants of rows, repaired where they break a limit; note them as taken."""
    problem, space = history.problem, history.problem.space
    found = Proposals.none(len(space.choices))
    if not strays:
        return found
    evaluated = set(history.keys.tolist())
    for _ in range(_NEIGHBOUR_DRAWS):
        chosen = rng.integers(0, len(strays), size=4 * (count - len(found)))
        bases = np.array([row for row, _ in strays])[chosen]
        probability = min(1.0, 2.0 / max(1, len(space.choices)))
        rows = space.mutate(bases, rng, probability=probability)
        rows, _ = repaired(problem, rows, np.flatnonzero(problem.feasible(rows)), rng)
        within = np.flatnonzero(problem.feasible(rows))
        keys = space.keys(rows[within])
        fresh = history.fresh(keys, besides=taken)[: count - len(found)]
        taken.update(keys[fresh].tolist())
        bred = [strays[index][1] for index in chosen[within[fresh]].tolist()]
        parents = [(key,) if key in evaluated else () for key in bred]
        found = found.join(Proposals(rows[within[fresh]], ["neighbour"] * len(fresh), parents))
    return found
