"""History: all that a search has evaluated, as arrays; what a searcher proposes from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nas.search.columns import Column
from nas.search.problem import Problem
from search_spaces import Population

__all__ = ["History", "Proposals"]


@dataclass(frozen=True, slots=True)
class Proposals:
    """Architectures that a searcher wants evaluated, and how it came to them.

    Attributes:
        population: Different from each other, int16 [n, d]; the search makes it canonical.
        operators: What made each, for example ``mutation``.
        parents: Keys of the architectures it was made from, as ``SearchSpace.keys`` gives them.
    """

    population: Population
    operators: Sequence[str]
    parents: Sequence[tuple[int, ...]]

    def __len__(self) -> int:
        return len(self.population)

    @classmethod
    def none(cls, choices: int) -> Proposals:
        """Return no proposals for a space with so many choices."""
        return cls(np.empty((0, choices), dtype=np.int16), [], [])

    def take(self, positions: Sequence[int] | NDArray[np.intp]) -> Proposals:
        """Return the proposals at some positions."""
        chosen = np.asarray(positions, dtype=np.intp)
        return Proposals(
            self.population[chosen],
            [self.operators[position] for position in chosen],
            [self.parents[position] for position in chosen],
        )

    def join(self, other: Proposals) -> Proposals:
        """Return these proposals followed by others."""
        return Proposals(
            np.concatenate([self.population, other.population]),
            [*self.operators, *other.operators],
            [*self.parents, *other.parents],
        )


class History:
    """Everything evaluated in the rounds before the current one.

    Within a round, architectures are ordered by their key, so that the history does not depend
    on the order in which parallel evaluations end.

    Args:
        problem: What is searched.
        starts: Architectures from which to look for feasible ones, int16 [s, d], usually the
            witness of the feasibility check.
    """

    def __init__(self, problem: Problem, *, starts: Population | None = None) -> None:
        choices, objectives = len(problem.space.choices), len(problem.objectives)
        self.problem = problem
        self.starts = np.zeros((0, choices), np.int16) if starts is None else starts
        self._seen: set[int] = set()
        self._tops: dict[int, tuple[int, int, NDArray[np.intp]]] = {}  # see `top`
        self._columns: dict[str, Column] = {
            "rounds": Column(np.empty(0, dtype=np.int64)),
            "keys": Column(np.empty(0, dtype=np.uint64)),
            "population": Column(np.empty((0, choices), dtype=np.int16)),
            "values": Column(np.empty((0, objectives))),
            "feasible": Column(np.empty(0, dtype=np.bool_)),
        }

    def __len__(self) -> int:
        return len(self._columns["keys"])

    @property
    def rounds(self) -> NDArray[np.int64]:
        """Round of each evaluation, int64 [m]."""
        return self._columns["rounds"].view

    @property
    def keys(self) -> NDArray[np.uint64]:
        """Key of each architecture, uint64 [m]; its id is the key in hexadecimal."""
        return self._columns["keys"].view

    @property
    def population(self) -> Population:
        """Canonical architectures that were evaluated with success, int16 [m, d]."""
        return self._columns["population"].view

    @property
    def values(self) -> NDArray[np.float64]:
        """Values of the objectives, float64 [m, objectives], each in its metric's unit."""
        return self._columns["values"].view

    @property
    def feasible(self) -> NDArray[np.bool_]:
        """Which architectures meet all limits, bool [m]."""
        return self._columns["feasible"].view

    @property
    def proposed(self) -> int:
        """Number of different architectures proposed so far, failed ones too."""
        return len(self._seen)

    def extend(
        self,
        round: int,
        population: Population,
        values: NDArray[np.float64],
        *,
        keys: NDArray[np.uint64] | None = None,
        failed: Iterable[int] = (),
    ) -> None:
        """Add one finished round.

        Args:
            round: Its number.
            population: What was evaluated with success, int16 [n, d].
            values: Of the objectives, float64 [n, objectives].
            keys: Of the population where they are known already, uint64 [n].
            failed: Keys of what failed; it is not proposed again.
        """
        if keys is None:
            keys = self.problem.space.keys(population)
        order = np.argsort(keys)
        rows = population[order]
        self._columns["rounds"].append(np.full(len(rows), round, dtype=np.int64))
        self._columns["keys"].append(keys[order])
        self._columns["population"].append(rows)
        self._columns["values"].append(values[order])
        self._columns["feasible"].append(self.problem.feasible(rows))
        self._seen.update(keys.tolist())
        self._seen.update(failed)

    def fresh(self, keys: NDArray[np.uint64], *, besides: Iterable[int] = ()) -> NDArray[np.intp]:
        """Return positions of the first occurrences of keys that were never proposed, ascending.

        Args:
            keys: uint64 [n].
            besides: More keys that do not count as new.
        """
        known, taken, new = self._seen, set(besides), []
        for position, key in enumerate(keys.tolist()):
            if key not in known and key not in taken:
                taken.add(key)
                new.append(position)
        return np.array(new, dtype=np.intp)

    def top(self, count: int, *, since: int = 0) -> NDArray[np.intp]:
        """Return positions of the feasible architectures best by the first objective, best first.

        Ties go to the one evaluated earlier. Asked again, it looks at what was added only.

        Args:
            count: How many at most.
            since: Only of this round and later ones.
        """
        known, start, best = self._tops.get(count, (since, 0, np.empty(0, dtype=np.intp)))
        if known != since or not start:
            start, best = int(np.searchsorted(self.rounds, since)), best[:0]
        candidates = np.concatenate([best, start + np.flatnonzero(self.feasible[start:])])
        gains = self.problem.gains(self.values[candidates])[:, 0]
        best = candidates[np.argsort(-gains, kind="stable")[:count]]
        self._tops[count] = (since, len(self), best)
        return best

    def best_by_round(self, rounds: int) -> NDArray[np.float64]:
        """Return the best first objective of each of the first rounds, float64 [rounds].

        The sign is such that more is better; -inf where nothing feasible was evaluated.
        """
        best = np.full(rounds, -np.inf)
        counted = self.feasible & (self.rounds < rounds)
        gains = self.problem.gains(self.values[counted])[:, 0]
        np.maximum.at(best, self.rounds[counted], gains)
        return best
