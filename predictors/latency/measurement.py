"""What a plan's measurement gave, on this machine or on another, and its timings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

import numpy as np

from predictors.latency.plan import Plan
from predictors.latency.runner.identity import Identity
from predictors.latency.runner.timing import Round, Timing, summarise

__all__ = ["Measurement", "now"]


def now() -> str:
    """Return the date and time as ISO 8601, in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class Measurement:
    """Finished rounds of a plan.

    Attributes:
        identity: Space, conditions and device.
        plan: What was measured.
        started: ISO date and time.
        finished: ISO date and time.
        parts: The rounds of every part of the plan, at least one each.
    """

    identity: Identity
    plan: Plan
    started: str
    finished: str
    parts: tuple[tuple[Round, ...], ...]

    @property
    def rounds(self) -> int:
        """Rounds measured; the fewest of all parts."""
        return min(len(rounds) for rounds in self.parts)

    @property
    def reference_ms(self) -> float:
        """Latency of the reference: its median over all rounds."""
        return float(np.median([r.reference_ms for rounds in self.parts for r in rounds]))

    @cached_property
    def timings(self) -> tuple[tuple[Timing, ...], ...]:
        """For each item of the plan its timings, one for each part it is in."""
        timings: list[list[Timing]] = [[] for _ in self.plan.items]
        for positions, rounds in zip(self.plan.parts, self.parts, strict=True):
            summaries = summarise(rounds, reference_ms=self.reference_ms)
            for i, timing in zip(positions, summaries, strict=True):
                timings[i].append(timing)
        return tuple(map(tuple, timings))

    @property
    def call_ms(self) -> float:
        """What a call of the runtime costs."""
        call = len(self.plan.items) - 2
        return float(np.median([timing.latency_ms for timing in self.timings[call]]))
