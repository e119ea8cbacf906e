"""What goes into an archive and what comes out: metrics, proposals, evaluations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from predictors.provenance import Provenance
from search_spaces.architecture import Architecture

__all__ = ["Evaluated", "Metric", "Proposal", "Record"]


@dataclass(frozen=True, slots=True)
class Metric:
    """A finite number in the unit that its metric's name states, and where it came from."""

    value: float
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class Proposal:
    """Why an architecture was evaluated.

    Attributes:
        round: The searcher's round, from 0.
        operator: What made it, for example ``random``, ``mutation`` or ``crossover``.
        parents: Ids of the architectures it was made from.
    """

    round: int
    operator: str
    parents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """One evaluation to store.

    Attributes:
        id: Id of the canonical architecture.
        architecture: Its choices.
        metrics: By name; a metric that was there before is replaced.
        proposal: Why it was evaluated; none adds no proposal.
        failure: Why the evaluation failed; empty when it did not.
    """

    id: str
    architecture: Architecture
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    proposal: Proposal | None = None
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """One architecture of the archive with its metrics; `order` counts from 1, first seen."""

    id: str
    architecture: Architecture
    metrics: Mapping[str, Metric]
    order: int
