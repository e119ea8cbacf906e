"""Timing of many loaded networks at once, so that what disturbs the machine hits all alike.

In every round each network is sampled once, in random order; a sample is the mean of as many
runs as last `sample_ms`, and is taken again if the system took the processor away meanwhile. A
reference network is sampled every few networks; the median of a round's reference samples tells
how fast the machine was in that round, and every sample is corrected by it. The latency is the
lower quartile over rounds, since other work only ever slows a network down. On a machine with
three times more to do than processors this kept two halves of a measurement within 5 % of each
other for 93 to 100 % of networks; the plain median of all samples for 28 to 42 %.
"""

from __future__ import annotations

import dataclasses
import gc
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from predictors.errors import MeasurementError
from predictors.latency.runner.options import LutOptions
from predictors.latency.runtimes.base import Run

try:
    import resource
except ModuleNotFoundError:  # not on Windows
    resource = None  # type: ignore[assignment]

__all__ = [
    "Loaded",
    "Round",
    "Sampled",
    "Timing",
    "corrected_samples",
    "measure_rounds",
    "summarise",
    "warm_up",
]

_REFERENCE_EVERY = 8
_MOST_REPEATS = 10_000
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Timing:
    """Latency of one network over all rounds; of another metric, the same in its unit.

    Attributes:
        latency_ms: Lower quartile over rounds, corrected by the reference: the latency.
        median_ms: Median over rounds, corrected by the reference.
        min_ms: Smallest sample, as measured.
        spread: Quartile range over the median.
        runs: Counted runs in all rounds together.
        halves_ms: Latency by the even and by the odd rounds; their disagreement is what a
            second measurement would show.
    """

    latency_ms: float
    median_ms: float
    min_ms: float
    spread: float
    runs: int
    halves_ms: tuple[float, float]

    def scaled(self, factor: float) -> Timing:
        """Return the timing on a machine that is slower by a factor."""
        return dataclasses.replace(
            self,
            latency_ms=self.latency_ms * factor,
            median_ms=self.median_ms * factor,
            min_ms=self.min_ms * factor,
            halves_ms=(self.halves_ms[0] * factor, self.halves_ms[1] * factor),
        )


@dataclass(frozen=True, slots=True)
class Round:
    """One pass over all networks.

    Attributes:
        samples_ms: One for each network, float64 [n].
        repeats: Runs in each sample, int64 [n].
        reference_ms: Median of the round's samples of the reference network.
    """

    samples_ms: NDArray[np.float64]
    repeats: NDArray[np.int64]
    reference_ms: float


class Sampled(Protocol):
    """Something whose latency can be sampled."""

    @property
    def repeats(self) -> int:
        """Runs that make a sample."""

    def sample(self) -> float:
        """Return the mean time of a sample's runs in ms, above zero."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A loaded network; a `Sampled`.

    Attributes:
        run: Runs it once.
        repeats: Runs that make a sample.
        threads: Threads that a run uses.
    """

    run: Run
    repeats: int
    threads: int = 1

    def sample(self) -> float:
        """Return the mean time of a sample's runs in ms, after one run that is not counted.

        A sample during which the system took the processor away is taken again. A network that
        lasts longer than the system's time slices never gets through; if it has one thread, its
        processor time, which does not pass meanwhile, is taken instead. A sample during which
        the clock stood still or went back is taken again, too.

        Raises:
            MeasurementError: The clock does so every time.
        """
        shortest = math.inf
        for _ in range(_ATTEMPTS):
            self.run()
            before = _preemptions()
            elapsed, used = _mean_ms(self.run, self.repeats)
            if elapsed <= 0:
                continue
            if _preemptions() == before:
                return elapsed
            shortest = min(shortest, used if self.threads == 1 and used > 0 else elapsed)
        if shortest == math.inf:
            raise MeasurementError(
                f"The clock of this device jumps: {_ATTEMPTS} samples of a network took no time "
                "or less. What was measured before is kept; repair the clock (a virtual machine "
                "may need another clock source) and run the command again."
            )
        return shortest


def warm_up(run: Run, options: LutOptions) -> Loaded:
    """Warm a loaded network up and choose how many runs make a sample."""
    run()
    shortest = max(min(_mean_ms(run, 1)[0] for _ in range(3)), 1e-6)
    repeats = min(_MOST_REPEATS, math.ceil(options.sample_ms / shortest))
    return Loaded(run, repeats, options.threads)


def _preemptions() -> int:
    """Return how often this process lost a processor; constant where that is not counted."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw if resource is not None else 0


def _mean_ms(run: Run, repeats: int) -> tuple[float, float]:
    """Return the mean elapsed time and the mean processor time of some runs in ms."""
    used = time.process_time_ns()
    start = time.perf_counter_ns()
    for _ in range(repeats):
        run()
    elapsed = time.perf_counter_ns() - start
    used = time.process_time_ns() - used
    return elapsed / repeats / 1e6, used / repeats / 1e6


def measure_rounds(
    networks: Sequence[Sampled],
    reference: Sampled,
    *,
    rng: np.random.Generator,
    tick: Callable[[int], None],
) -> Iterator[Round]:
    """Measure one round after another, without end.

    Args:
        networks: What is measured.
        reference: What tells how fast the machine is.
        rng: Draws the order of every round.
        tick: Called every few networks, before the reference is sampled, with the number of
            networks done in the round.
    """
    repeats = np.array([network.repeats for network in networks], dtype=np.int64)
    while True:
        samples = np.zeros(len(networks))
        references = []
        with _no_garbage_collection():
            for done, i in enumerate(rng.permutation(len(networks)).tolist()):
                if done % _REFERENCE_EVERY == 0:
                    tick(done)
                    references.append(reference.sample())
                samples[i] = networks[i].sample()
        yield Round(samples, repeats, float(np.median(references)))


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def corrected_samples(
    rounds: Sequence[Round], reference_ms: float | None = None
) -> NDArray[np.float64]:
    """Return the samples in units of the undisturbed machine, float64 [rounds, n]."""
    references = np.array([r.reference_ms for r in rounds])
    usual = np.median(references) if reference_ms is None else reference_ms
    samples = np.stack([r.samples_ms for r in rounds])
    corrected: NDArray[np.float64] = samples * (usual / references)[:, None]
    return corrected


def summarise(rounds: Sequence[Round], *, reference_ms: float | None = None) -> list[Timing]:
    """Return the timing of every network.

    Args:
        rounds: At least one.
        reference_ms: What the reference takes on the undisturbed machine; by default its
            median over these rounds.
    """
    smallest = np.min([r.samples_ms for r in rounds], axis=0)
    runs = np.sum([r.repeats for r in rounds], axis=0)
    corrected = corrected_samples(rounds, reference_ms)
    low, median, high = np.quantile(corrected, (0.25, 0.5, 0.75), axis=0)
    even = np.quantile(corrected[0::2], 0.25, axis=0)
    odd = np.quantile(corrected[1::2], 0.25, axis=0) if len(rounds) > 1 else even
    return [
        Timing(
            latency_ms=float(low[i]),
            median_ms=float(median[i]),
            min_ms=float(smallest[i]),
            spread=float((high[i] - low[i]) / median[i]),
            runs=int(runs[i]),
            halves_ms=(float(even[i]), float(odd[i])),
        )
        for i in range(len(median))
    ]
