"""Sampling, correction by the reference, and when to stop."""

from __future__ import annotations

import dataclasses
import gc
import itertools
import types

import numpy as np
import pytest

from predictors import MeasurementError
from predictors.latency import LutOptions
from predictors.latency.models import EmptyModel
from predictors.latency.runner import stopping as stopping_module
from predictors.latency.runner import timing as timing_module
from predictors.latency.runner.stopping import StoppingRule, confidence_of
from predictors.latency.runner.timing import Loaded, Round, measure_rounds, summarise, warm_up


def _round(samples, reference=1.0):
    return Round(np.array(samples, float), np.ones(len(samples), dtype=np.int64), reference)


def test_latency_is_the_lower_quartile_of_rounds():
    values = [1.0, 2.0, 3.0, 4.0, 100.0]
    (timing,) = summarise([_round([value]) for value in values])
    assert timing.latency_ms == 2
    assert timing.median_ms == 3
    assert timing.min_ms == 1
    assert timing.spread == pytest.approx(2 / 3)
    assert timing.runs == 5
    assert timing.halves_ms == (2.0, 2.5)


def test_a_slow_phase_of_the_machine_is_corrected():
    usual = [_round([2.0, 5.0], 1.0)] * 5
    slow = [_round([3.0, 7.5], 1.5)] * 4
    first, second = summarise(usual + slow)
    assert (first.latency_ms, first.spread) == (2, 0)
    assert (second.latency_ms, second.spread) == (5, 0)
    assert summarise(slow, reference_ms=1.0)[0].latency_ms == pytest.approx(2)


def test_short_networks_are_run_several_times(virtual):
    run = virtual.prepare(EmptyModel(), threads=1)
    loaded = warm_up(run, LutOptions(sample_ms=0.05))
    assert loaded.repeats == 25
    assert loaded.sample() == pytest.approx(2e-3)


@pytest.fixture
def preempted(virtual, monkeypatch):
    """Let the given number of samples lose the processor."""

    def arrange(samples):
        counts = itertools.chain.from_iterable((i, i + 1) for i in range(samples))
        readings = itertools.chain(counts, itertools.repeat(samples))
        usage = lambda who: types.SimpleNamespace(ru_nivcsw=next(readings))  # noqa: E731
        resource = types.SimpleNamespace(getrusage=usage, RUSAGE_SELF=0)
        monkeypatch.setattr(timing_module, "resource", resource)

    return arrange


def test_a_sample_is_taken_again_when_the_processor_was_taken_away(virtual, preempted):
    preempted(2)
    calls = itertools.count()

    def run():
        virtual.now += 9_000_000 if next(calls) < 22 else 1_000_000

    assert Loaded(run, 10).sample() == pytest.approx(1.0)
    assert next(calls) == 33


@pytest.mark.parametrize(("threads", "expected_ms"), [(1, 3.0), (2, 6.0)])
def test_processor_time_when_every_sample_loses_it(virtual, preempted, threads, expected_ms):
    preempted(100)
    calls = itertools.count()

    def run():
        next(calls)
        virtual.now += 6_000_000  # the virtual process has the processor half of the time

    assert Loaded(run, 1, threads).sample() == pytest.approx(expected_ms)
    assert next(calls) == 10


def test_a_clock_that_jumps(virtual):
    steps = iter([-5_000_000, 0, 3_000_000])

    def run():
        virtual.now += next(steps, -1)

    def counted():
        if virtual.runs % 2:  # one run before each counted one
            run()
        virtual.runs += 1

    assert Loaded(counted, 1).sample() == pytest.approx(3.0)
    with pytest.raises(MeasurementError, match="clock of this device jumps"):
        Loaded(run, 1).sample()


def test_every_network_once_a_round_in_changing_order(virtual):
    order = []

    def run(i):
        virtual.now += 1_000
        order.append(i)

    networks = [Loaded(lambda i=i: run(i), 1) for i in range(20)]
    reference = Loaded(lambda: run("reference"), 1)
    rounds = measure_rounds(
        networks, reference, rng=np.random.default_rng(0), tick=lambda done: None
    )
    next(rounds), next(rounds)
    counted = [order[i] for i in range(0, len(order), 2)]  # one run before each counted one
    first, second = counted[: len(counted) // 2], counted[len(counted) // 2 :]
    for half in (first, second):
        assert sorted(i for i in half if i != "reference") == list(range(20))
        assert half.count("reference") == 3
    assert first != second


def test_garbage_collection_is_off_while_timing_and_on_again_after(virtual):
    seen = []

    def tick():
        virtual.now += 1_000

    def look():
        seen.append(gc.isenabled())
        tick()

    rounds = measure_rounds(
        [Loaded(look, 1)],
        Loaded(tick, 1),
        rng=np.random.default_rng(0),
        tick=lambda done: None,
    )
    next(rounds)
    assert seen == [False, False]
    assert gc.isenabled()


# when to stop


def _noisy(n, spread):
    rng = np.random.default_rng(0)
    return [_round(rng.normal(1, spread, 50)) for _ in range(n)]


def test_confidence_shrinks_with_the_root_of_rounds():
    few, many = confidence_of(_noisy(25, 0.02)), confidence_of(_noisy(400, 0.02))
    assert many == pytest.approx(few / 4, rel=0.25)
    # The lower quartile of n normal samples has a standard error of 1.36 sigma / sqrt(n).
    assert many == pytest.approx(1.96 * 1.362 * 0.02 / 20, rel=0.1)


def test_stops_when_sure_but_not_too_early():
    rule = StoppingRule(LutOptions(confidence=0.01))
    assert not rule.enough(_noisy(9, 1e-6))
    assert rule.enough(_noisy(10, 1e-6))
    assert not rule.enough(_noisy(30, 0.1))
    assert rule.enough(_noisy(60, 0.1))


def test_a_number_of_rounds_is_kept_to():
    rule = StoppingRule(LutOptions(rounds=5))
    assert not rule.enough(_noisy(4, 1e-6))
    assert rule.enough(_noisy(5, 1.0))
    assert rule.expected([]) == 5


def test_time_limit(monkeypatch):
    now = [0.0]
    clock = types.SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr(stopping_module, "time", clock)
    rule = StoppingRule(LutOptions(rounds=50, max_seconds=10), share=0.5)
    now[0] = 4.0
    assert not rule.enough(_noisy(3, 1.0))
    now[0] = 6.0
    assert not rule.enough(_noisy(2, 1.0))
    assert rule.enough(_noisy(3, 1.0))


def test_expected_rounds_follow_the_noise():
    rule = StoppingRule(LutOptions(confidence=0.01))
    assert rule.expected(_noisy(12, 1e-6)) == 12
    assert rule.expected(_noisy(12, 0.5)) == 60
    assert dataclasses.replace(LutOptions(), rounds=None).rounds is None
