"""Why an architecture was evaluated: who proposed it, in which round, bred from whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nas.archive import Archive, Proposal
from search_spaces import Architecture

__all__ = ["Ancestor", "Change", "ancestry"]


@dataclass(frozen=True, slots=True)
class Change:
    """A choice that differs from that of every parent, or of one of two.

    Attributes:
        choice: Its name.
        option: What the architecture has.
        parents: What each parent has, in their order.
    """

    choice: str
    option: object
    parents: tuple[object, ...]

    @property
    def new(self) -> bool:
        """Whether no parent has the option, so that mutation or a mend brought it."""
        return self.option not in self.parents


@dataclass(frozen=True, slots=True)
class Ancestor:
    """One architecture of a line.

    Attributes:
        id: Of the architecture.
        generation: 0 for the one that was asked about, 1 for its parents, and so on.
        proposal: Round, operator and parents; None for what came from outside the search.
        metrics: Values by name; empty where the evaluation failed.
        failure: Why it failed, or empty.
        changes: What tells it from its parents.
    """

    id: str
    generation: int
    proposal: Proposal | None
    metrics: Mapping[str, float]
    failure: str
    changes: tuple[Change, ...]


def ancestry(archive: Archive, id: str, *, generations: int = 20) -> list[Ancestor]:
    """Return an architecture and those it descends from, the youngest first, each once.

    Args:
        archive: Of the search.
        id: Of the architecture; it is in the archive.
        generations: How far back to go.
    """
    reasons: dict[str, Proposal] = {}
    for known, proposal in archive.proposals():
        reasons.setdefault(known, proposal)
    rows, failures = {row.id: row for row in archive.rows()}, archive.failures()
    line: dict[str, Ancestor] = {}
    waiting = [id]
    for generation in range(generations + 1):
        older: list[str] = []
        for known in dict.fromkeys(waiting):
            if known in line:
                continue
            row, why = rows.get(known), reasons.get(known)
            parents = [rows[parent] for parent in (why.parents if why else ()) if parent in rows]
            changes = _changes(row.architecture, [p.architecture for p in parents]) if row else ()
            metrics = {n: metric.value for n, metric in row.metrics.items()} if row else {}
            line[known] = Ancestor(
                known, generation, why, metrics, failures.get(known, ""), changes
            )
            older += [parent.id for parent in parents]
        waiting = older
    return list(line.values())


def _changes(child: Architecture, parents: list[Architecture]) -> tuple[Change, ...]:
    """Return the choices in which a child is unlike one of its parents."""
    found = []
    for choice, option in child.items() if parents else ():
        before = tuple(parent[choice] for parent in parents)
        if any(option != other for other in before):
            found.append(Change(choice, option, before))
    return tuple(found)
