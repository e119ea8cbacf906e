"""Measuring what is scheduled: part by part, round by round, every finished round kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from predictors.errors import TableError
from predictors.latency.runner.journal import Journal
from predictors.latency.runner.options import LutOptions
from predictors.latency.runner.stopping import StoppingRule
from predictors.latency.runner.thermal import Cooler
from predictors.latency.runner.timing import Round, Sampled, measure_rounds
from search_spaces.progress import Progress

__all__ = ["Loader", "Schedule", "measure_schedule"]

Loader: TypeAlias = Callable[[int], Sampled]
"""Loads the item at a position of the plan, and warms it up."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Which items of a plan are measured together.

    Attributes:
        digest: Of the plan.
        parts: Positions of the items that are loaded together, one part after another.
        reference: Position of the network that is sampled throughout.
    """

    digest: str
    parts: tuple[tuple[int, ...], ...]
    reference: int


def measure_schedule(
    schedule: Schedule,
    load: Loader,
    *,
    options: LutOptions,
    journal: Journal,
    progress: Progress,
    cooler: Cooler | None = None,
) -> list[list[Round]]:
    """Measure everything that the journal does not hold yet.

    Args:
        schedule: What is measured.
        load: Loads it.
        options: How to measure.
        journal: Where finished rounds go, and where those of a stopped measurement are.
        progress: Told how far the work has come.
        cooler: Waits while the device is hot; by default nothing waits.

    Returns:
        The rounds of every part.

    Raises:
        TableError: The journal does not fit the schedule, or cannot be written.
        MeasurementError: An item cannot be run, or the device does not cool down.
    """
    report = _Report(progress, schedule)
    parts = []
    for part, positions in enumerate(schedule.parts):
        rounds = _kept_rounds(journal, part, len(positions))
        rule = StoppingRule(options, share=1 / len(schedule.parts))
        if not rounds or not rule.enough(rounds):
            measuring = _Part(part, rule, report, cooler)
            measuring.load(load, [*positions, schedule.reference])
            measuring.continue_rounds(rounds, journal, options)
        report.part_done(part, len(rounds))
        parts.append(rounds)
    report.end()
    return parts


def _kept_rounds(journal: Journal, part: int, size: int) -> list[Round]:
    """Return the rounds of a part that an earlier, stopped measurement finished."""
    rounds = journal.rounds(part)
    if any(len(r.samples_ms) != size or len(r.repeats) != size for r in rounds):
        raise TableError(
            f"{journal.path} is damaged: a round of part {part} does not have {size} samples. "
            "Delete the file and measure again."
        )
    return rounds


class _Part:
    """Items that are loaded together."""

    def __init__(
        self, part: int, rule: StoppingRule, report: _Report, cooler: Cooler | None
    ) -> None:
        self._part = part
        self._rule = rule
        self._report = report
        self._cooler = cooler
        self._items: list[Sampled] = []

    def load(self, load: Loader, positions: Sequence[int]) -> None:
        """Load the items; the last one is the reference."""
        for done, position in enumerate(positions):
            self._report.loading(self._part, done, self._rule.expected([]))
            self._items.append(load(position))

    def continue_rounds(self, rounds: list[Round], journal: Journal, options: LutOptions) -> None:
        """Measure until there are enough rounds, and add them to the list."""
        *items, reference = self._items
        rng = np.random.default_rng((options.seed, self._part, len(rounds)))

        def tick(done: int) -> None:
            expected = self._rule.expected(rounds)
            self._report.measuring(self._part, len(rounds), done, expected)
            if self._cooler is not None:
                self._cooler.wait(
                    lambda text: self._report.measuring(
                        self._part, len(rounds), done, expected, text
                    )
                )

        for finished in measure_rounds(items, reference, rng=rng, tick=tick):
            journal.append(self._part, finished)
            rounds.append(finished)
            if self._rule.enough(rounds):
                return


class _Report:
    """Progress over all parts, in items; loading counts as a round."""

    def __init__(self, progress: Progress, schedule: Schedule) -> None:
        self._progress = progress
        self._sizes = [len(part) for part in schedule.parts]
        self._before = 0

    def loading(self, part: int, done: int, rounds: int) -> None:
        self._tell(part, done, rounds, f"loading network {done + 1} of {self._sizes[part]}")

    def measuring(self, part: int, finished: int, done: int, rounds: int, text: str = "") -> None:
        done += self._sizes[part] * (finished + 1)
        self._tell(part, done, rounds, text or f"round {finished + 1} of about {rounds}")

    def part_done(self, part: int, rounds: int) -> None:
        self._before += self._sizes[part] * (rounds + 1)

    def end(self) -> None:
        self._progress(self._before, self._before, "done")

    def _tell(self, part: int, done: int, rounds: int, text: str) -> None:
        total = self._before + sum(self._sizes[part:]) * (rounds + 1)
        self._progress(self._before + done, total, text)
