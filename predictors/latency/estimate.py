"""How long a plan takes to measure, by a short trial on this machine."""

from __future__ import annotations

import time
from dataclasses import dataclass

from predictors.analytic import Macs
from predictors.latency.graph import network
from predictors.latency.plan import Item, Plan
from predictors.latency.runner.options import LutOptions
from predictors.latency.runner.timing import warm_up
from predictors.latency.runtimes import get_runtime
from search_spaces import SearchSpace

__all__ = ["Estimate", "estimate"]

_USUAL_ROUNDS = 20
_REFERENCE_SHARE = 1 / 8


@dataclass(frozen=True, slots=True)
class Estimate:
    """How long a measurement will take.

    Attributes:
        minutes: In all, on a machine as fast as this one.
        rounds: Assumed.
        reference_ms: Latency of the reference network here.
    """

    minutes: float
    rounds: int
    reference_ms: float


def estimate(space: SearchSpace, plan: Plan, options: LutOptions) -> Estimate:
    """Load and run the reference network here, and scale by multiply-accumulates.

    Raises:
        MeasurementError: The runtime is unknown, or cannot run the network.
        MissingExtraError: The runtime is not installed.
    """
    runtime = get_runtime(options.runtime)
    rounds = options.rounds or _USUAL_ROUNDS
    start = time.perf_counter()
    with runtime.measuring(threads=options.threads):
        run = runtime.prepare(plan.reference.model, threads=options.threads)
        load_s = time.perf_counter() - start
        reference_ms = warm_up(run, options).sample()
    macs = [_macs(space, item) for item in plan.items]
    blocks = sum(1 if item.block is not None else _blocks(space, item) for item in plan.items)
    loading_s = load_s * blocks / _blocks(space, plan.reference)
    runs_ms = [reference_ms * count / macs[-1] for count in macs]
    # A sample is one run that is not counted, and as many as last `sample_ms`.
    sampling_ms = sum(run_ms + max(run_ms, options.sample_ms) for run_ms in runs_ms)
    sampling_ms += _REFERENCE_SHARE * len(macs) * 2 * max(reference_ms, options.sample_ms)
    return Estimate((loading_s + rounds * sampling_ms / 1e3) / 60, rounds, reference_ms)


def _macs(space: SearchSpace, item: Item) -> float:
    price = Macs()
    if item.block is not None:
        return price(item.block)
    if item.architecture is None:
        return 0.0
    return sum(price(step.block) for step in network(space, item.architecture))


def _blocks(space: SearchSpace, item: Item) -> int:
    return 0 if item.architecture is None else len(network(space, item.architecture))
