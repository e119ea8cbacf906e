"""Ledger: what an archive holds for one problem, and how a search adds to it.

The archive is the only state of a search. The ledger reads it once at the start and keeps what
the search itself needs in memory; without an archive it is memory only.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from nas.archive import Archive, Metric, Proposal, Record
from nas.errors import ConfigError, nearest
from nas.search.columns import Column
from nas.search.evaluators import Outcomes
from nas.search.history import Proposals
from nas.search.problem import Problem
from search_spaces import Population

__all__ = ["Asked", "Ledger"]


@dataclass(frozen=True, eq=False)
class Asked:
    """The proposals of one round.

    Attributes:
        problem: What is searched.
        round: Its number.
        proposals: What the searcher wants evaluated, canonical.
        keys: Of the proposals.
    """

    problem: Problem
    round: int
    proposals: Proposals
    keys: tuple[int, ...]

    @classmethod
    def of(
        cls, problem: Problem, round: int, proposals: Proposals, keys: NDArray[np.uint64]
    ) -> Asked:
        """Make proposals, whose keys are known, canonical."""
        population = problem.space.canonical(proposals.population)
        proposals = Proposals(population, proposals.operators, proposals.parents)
        return cls(problem, round, proposals, tuple(keys.tolist()))

    @cached_property
    def costs(self) -> Mapping[str, NDArray[np.float64]]:
        """By metric, float64, one for each proposal."""
        return self.problem.cost_values(self.proposals.population)

    def first(self, count: int) -> Asked:
        """Return the first proposals of the round only."""
        if count >= len(self.keys):
            return self
        proposals = self.proposals.take(range(count))
        return Asked(self.problem, self.round, proposals, self.keys[:count])


class Ledger:
    """Results by architecture key, and which round proposed what.

    Args:
        problem: What is searched.
        archive: Where everything is stored; None keeps it in memory only.
        patience_s: Results that arrive within so many seconds share a transaction. Leaving the
            ledger's ``with`` block stores what is left.

    Attributes:
        rounds: Keys that each round proposed, those still being evaluated too. A result brings
            the proposals before it along, so that the archive of a search has the same order
            however many workers evaluate.
    """

    def __init__(
        self, problem: Problem, archive: Archive | None, *, patience_s: float = 0.0
    ) -> None:
        self.rounds: dict[int, list[int]] = {}
        self._problem = problem
        self._archive = archive
        self._evaluated = [o.metric for o in problem.objectives if o.metric not in problem.costs]
        self._results: dict[int, int] = {}  # positions in the two columns
        self._rows = Column(np.empty((0, len(problem.space.choices)), dtype=np.int16))
        self._values = Column(np.empty((0, len(self._evaluated))))
        self._failures: dict[int, str] = {}
        self._unsaved: list[Record] = []
        self._patience_s = patience_s
        self._saved_at = time.monotonic()
        if archive is not None:
            self._read(archive)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._save()

    def _save(self) -> None:
        if self._archive is not None and self._unsaved:
            self._archive.record_many(self._unsaved)
        self._unsaved = []
        self._saved_at = time.monotonic()

    def _read(self, archive: Archive) -> None:
        found = archive.rows()
        outside = {row.id for row in found if not self._problem.space.holds(row.architecture)}
        rows = [
            row
            for row in found
            if row.id not in outside and all(name in row.metrics for name in self._evaluated)
        ]
        values = [[row.metrics[name].value for name in self._evaluated] for row in rows]
        self._add(
            [int(row.id, 16) for row in rows],
            self._problem.space.encode_all(row.architecture for row in rows),
            np.array(values).reshape(len(rows), len(self._evaluated)),
        )
        if self._results:  # when nothing ever succeeded, the cause may have been mended
            self._failures = {int(id, 16): why for id, why in archive.failures().items()}
        for id, proposal in archive.proposals():
            if id in outside:
                continue  # of a part of the space that is not searched any more
            self.rounds.setdefault(proposal.round, []).append(int(id, 16))

    def complete(self, round: int, batch: int) -> bool:
        """Return whether a round needs nothing more.

        It does when a later round was begun or all of the batch has a result.
        """
        stored = self.rounds.get(round, ())
        begun = round + 1 in self.rounds or len(stored) >= batch
        return begun and all(self._has_result(key) for key in stored)

    def known(self, asked: Asked) -> Outcomes:
        """Return what is known from elsewhere but not noted for this round, without metrics."""
        stored = set(self.rounds.get(asked.round, ()))
        new = [(position, key) for position, key in enumerate(asked.keys) if key not in stored]
        return Outcomes(
            tuple(position for position, key in new if key in self._results),
            failures={p: self._failures[key] for p, key in new if key in self._failures},
        )

    def pending(self, asked: Asked) -> list[int]:
        """Return the positions that have no result."""
        results, failures = self._results, self._failures
        return [p for p, k in enumerate(asked.keys) if k not in results and k not in failures]

    def _has_result(self, key: int) -> bool:
        return key in self._results or key in self._failures

    def store(self, asked: Asked, outcomes: Outcomes) -> None:
        """Store results and why they were asked for, together or not at all.

        Args:
            asked: The round.
            outcomes: Results; those without metrics are known already.

        Raises:
            ConfigError: An objective is not among the metrics.
            RunError: The archive cannot be written.
        """
        if any(asked.keys[position] not in self._results for position in outcomes.positions):
            self._keep(asked, outcomes)
        for position, why in outcomes.failures.items():
            self._failures[asked.keys[position]] = why
        if self._archive is not None:
            self._unsaved.extend(self._records(asked, outcomes))
            if time.monotonic() - self._saved_at >= self._patience_s:
                self._save()
        noted = self.rounds.setdefault(asked.round, [])
        before = set(noted)
        noted.extend(asked.keys[p] for p in _upto(outcomes) if asked.keys[p] not in before)

    def _keep(self, asked: Asked, outcomes: Outcomes) -> None:
        """Keep the values of the objectives in memory."""
        for name in self._evaluated:
            if name not in outcomes.metrics:
                known = [*outcomes.metrics, *self._problem.costs]
                raise ConfigError(
                    f"objective {name}: neither the evaluation nor a cost gives it. "
                    f"{nearest(name, known)}"
                )
        columns = [outcomes.metrics[name] for name in self._evaluated]
        positions = list(outcomes.positions)
        values = np.array(columns).T.reshape(len(positions), len(self._evaluated))
        keys = [asked.keys[position] for position in positions]
        self._add(keys, asked.proposals.population[positions], values)

    def _add(
        self, keys: Sequence[int], population: Population, values: NDArray[np.float64]
    ) -> None:
        first = len(self._rows)
        self._rows.append(population)
        self._values.append(values)
        self._results.update(zip(keys, range(first, first + len(keys)), strict=True))

    def _records(self, asked: Asked, outcomes: Outcomes) -> Iterable[Record]:
        recorded = set(self.rounds.get(asked.round, ()))
        arrived = {position: index for index, position in enumerate(outcomes.positions)}
        for position in _upto(outcomes):
            if position in arrived:
                metrics = self._metrics(asked, outcomes, position, arrived[position])
                yield self._record(asked, position, recorded, metrics=metrics)
            elif position in outcomes.failures:
                failure = outcomes.failures[position]
                yield self._record(asked, position, recorded, failure=failure)
            elif asked.keys[position] not in recorded:
                yield self._record(asked, position, recorded)

    def _metrics(
        self, asked: Asked, outcomes: Outcomes, position: int, index: int
    ) -> dict[str, Metric]:
        """Return what was evaluated and all costs of one proposal."""
        costs = self._problem.costs
        metrics = {
            name: Metric(float(values[index]), outcomes.provenance[name])
            for name, values in outcomes.metrics.items()
        }
        for name, values in asked.costs.items():
            metrics[name] = Metric(float(values[position]), costs[name].provenance)
        return metrics

    def _record(
        self,
        asked: Asked,
        position: int,
        recorded: set[int],
        *,
        metrics: Mapping[str, Metric] | None = None,
        failure: str = "",
    ) -> Record:
        proposals, key = asked.proposals, asked.keys[position]
        parents = tuple(f"{parent:016x}" for parent in proposals.parents[position])
        proposal = Proposal(asked.round, proposals.operators[position], parents)
        row = proposals.population[position].tolist()
        return Record(
            f"{key:016x}",
            self._problem.space.decode(row),
            metrics or {},
            None if key in recorded else proposal,
            failure,
        )

    def results(
        self, keys: Iterable[int]
    ) -> tuple[Population, NDArray[np.float64], NDArray[np.uint64], list[int]]:
        """Return what was evaluated with success, and the keys of what was not.

        Returns:
            Population [n, d], values of the objectives [n, objectives], their keys [n], and
            the keys that failed.
        """
        keys = list(keys)
        good = [key for key in keys if key in self._results]
        failed = [key for key in keys if key in self._failures]
        positions = [self._results[key] for key in good]
        population = self._rows.view[positions]
        columns = iter(self._values.view[positions].T)
        values = np.empty((len(good), len(self._problem.objectives)))
        for column, objective in enumerate(self._problem.objectives):
            cost = self._problem.costs.get(objective.metric)
            values[:, column] = next(columns) if cost is None else cost(population)
        return population, values, np.array(good, dtype=np.uint64), failed

    def last_failure(self) -> str:
        """Return the reason of the failure noted last."""
        return list(self._failures.values())[-1] if self._failures else "unknown"


def _upto(outcomes: Outcomes) -> range:
    """Return the positions up to the last one that has arrived."""
    return range(max((*outcomes.positions, *outcomes.failures), default=-1) + 1)
