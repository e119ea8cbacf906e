"""Measuring whole networks, for example the subnets that a search has chosen."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from predictors.latency.models import Model
from predictors.latency.runner.options import LutOptions
from predictors.latency.runner.stopping import StoppingRule
from predictors.latency.runner.thermal import Cooler
from predictors.latency.runner.timing import Round, Timing, measure_rounds, summarise, warm_up
from predictors.latency.runtimes import get_runtime
from search_spaces.progress import Progress, silent

__all__ = ["measure_networks"]


def measure_networks(
    networks: Mapping[str, Model],
    options: LutOptions | None = None,
    *,
    reference: Model | None = None,
    progress: Progress | None = None,
) -> dict[str, Timing]:
    """Measure networks on this device, interleaved in random order with a reference network.

    Args:
        networks: By any name: `ArchitectureModel`, `ModuleModel` or `OnnxModel`.
        options: How to measure; options of calibration and validation mean nothing here.
        reference: Tells how fast the machine is in each round; by default the first network.
        progress: Told how far the work has come.

    Returns:
        The timing of every network, by name.

    Raises:
        MeasurementError: The runtime is unknown, or cannot run a network.
        MissingExtraError: The runtime is not installed.
    """
    if not networks:
        return {}
    options, report = options or LutOptions(), progress or silent
    runtime = get_runtime(options.runtime)
    rounds: list[Round] = []
    with runtime.measuring(threads=options.threads):
        cooler = Cooler(options.max_celsius)
        loaded = []
        for done, (name, model) in enumerate(networks.items()):
            report(done, len(networks), f"loading {name}")
            loaded.append(warm_up(runtime.prepare(model, threads=options.threads), options))
        standard = loaded[0]
        if reference is not None:
            standard = warm_up(runtime.prepare(reference, threads=options.threads), options)
        rule = StoppingRule(options)

        def tick(done: int) -> None:
            expected = rule.expected(rounds)
            done += len(rounds) * len(loaded)
            total = expected * len(loaded)
            report(done, total, f"round {len(rounds) + 1} of about {expected}")
            cooler.wait(lambda text: report(done, total, text))

        rng = np.random.default_rng(options.seed)
        for finished in measure_rounds(loaded, standard, rng=rng, tick=tick):
            rounds.append(finished)
            if rule.enough(rounds):
                break
    return dict(zip(networks, summarise(rounds), strict=True))
