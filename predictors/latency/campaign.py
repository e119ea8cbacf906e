"""Measuring a plan: part by part, round by round, every finished round kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from predictors.errors import TableError
from predictors.latency.journal import Journal
from predictors.latency.models import Model
from predictors.latency.options import LutOptions
from predictors.latency.plan import Plan
from predictors.latency.runtimes import Runtime
from predictors.latency.stopping import StoppingRule
from predictors.latency.timing import Loaded, Round, Timing, load, measure_rounds, summarise
from search_spaces.progress import Progress

__all__ = ["Measured", "measure_plan"]


@dataclass(frozen=True, slots=True)
class Measured:
    """What a plan's measurement gave.

    Attributes:
        timings: For each item its timings, one for each part it is in.
        rounds: Rounds measured; the fewest of all parts.
    """

    timings: tuple[tuple[Timing, ...], ...]
    rounds: int


def measure_plan(
    plan: Plan,
    runtime: Runtime,
    *,
    options: LutOptions,
    journal: Journal,
    progress: Progress,
) -> Measured:
    """Measure everything in a plan that the journal does not hold yet.

    Raises:
        TableError: The journal does not fit the plan, or cannot be written.
        MeasurementError: The runtime cannot run a network.
    """
    report = _Report(progress, plan)
    parts = []
    with runtime.measuring(threads=options.threads):
        for part, positions in enumerate(plan.parts):
            rounds = _kept_rounds(journal, part, len(positions))
            rule = StoppingRule(options, share=1 / len(plan.parts))
            if not rounds or not rule.enough(rounds):
                models = [plan.items[i].model for i in positions]
                measuring = _Part(part, rule, report)
                measuring.load(runtime, [*models, plan.reference], options)
                measuring.continue_rounds(rounds, journal, options)
            report.part_done(part, len(rounds))
            parts.append(rounds)
    report.end()
    usual = float(np.median([r.reference_ms for rounds in parts for r in rounds]))
    timings: list[list[Timing]] = [[] for _ in plan.items]
    for positions, rounds in zip(plan.parts, parts, strict=True):
        summaries = summarise(rounds, reference_ms=usual)
        for i, timing in zip(positions, summaries, strict=True):
            timings[i].append(timing)
    return Measured(tuple(map(tuple, timings)), min(len(rounds) for rounds in parts))


def _kept_rounds(journal: Journal, part: int, size: int) -> list[Round]:
    """Return the rounds of a part that an earlier, stopped build finished."""
    rounds = journal.rounds(part)
    if any(len(r.samples_ms) != size or len(r.repeats) != size for r in rounds):
        raise TableError(
            f"{journal.path} is damaged: a round of part {part} does not have {size} samples. "
            "Delete the file and build the table again."
        )
    return rounds


class _Part:
    """Networks that are loaded together."""

    def __init__(self, part: int, rule: StoppingRule, report: _Report) -> None:
        self._part = part
        self._rule = rule
        self._report = report
        self._networks: list[Loaded] = []

    def load(self, runtime: Runtime, models: Sequence[Model], options: LutOptions) -> None:
        """Load the networks; the last one is the reference."""
        for done, model in enumerate(models):
            self._report.loading(self._part, done, self._rule.expected([]))
            self._networks.append(load(runtime, model, options))

    def continue_rounds(self, rounds: list[Round], journal: Journal, options: LutOptions) -> None:
        """Measure until there are enough rounds, and add them to the list."""
        *networks, reference = self._networks
        rng = np.random.default_rng((options.seed, self._part, len(rounds)))

        def tick(done: int) -> None:
            self._report.measuring(self._part, len(rounds), done, self._rule.expected(rounds))

        for finished in measure_rounds(networks, reference, rng=rng, tick=tick):
            journal.append(self._part, finished)
            rounds.append(finished)
            if self._rule.enough(rounds):
                return


class _Report:
    """Progress over all parts, in networks; loading counts as a round."""

    def __init__(self, progress: Progress, plan: Plan) -> None:
        self._progress = progress
        self._sizes = [len(part) for part in plan.parts]
        self._before = 0

    def loading(self, part: int, done: int, rounds: int) -> None:
        self._tell(part, done, rounds, f"loading network {done + 1} of {self._sizes[part]}")

    def measuring(self, part: int, finished: int, done: int, rounds: int) -> None:
        done += self._sizes[part] * (finished + 1)
        self._tell(part, done, rounds, f"round {finished + 1} of about {rounds}")

    def part_done(self, part: int, rounds: int) -> None:
        self._before += self._sizes[part] * (rounds + 1)

    def end(self) -> None:
        self._progress(self._before, self._before, "done")

    def _tell(self, part: int, done: int, rounds: int, text: str) -> None:
        total = self._before + sum(self._sizes[part:]) * (rounds + 1)
        self._progress(self._before + done, total, text)
