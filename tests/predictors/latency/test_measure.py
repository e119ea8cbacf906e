"""Measuring chosen networks, on the virtual clock."""

from __future__ import annotations

import numpy as np
import pytest

from predictors.latency import ArchitectureModel, measure_networks


@pytest.fixture
def networks(tiny_space):
    chosen = tiny_space.decode_all(tiny_space.sample(3, np.random.default_rng(0)))
    return {str(i): ArchitectureModel(tiny_space, a) for i, a in enumerate(chosen)}


def test_each_network_has_its_latency(networks, virtual, quick):
    timings = measure_networks(networks, quick)
    for name, model in networks.items():
        actual = virtual.network_ns(model.space, model.architecture) / 1e6
        assert timings[name].latency_ms == pytest.approx(actual, rel=1e-3)


def test_a_given_reference_is_not_in_the_result(networks, virtual, quick):
    reference = networks.pop("0")
    timings = measure_networks(networks, quick, reference=reference)
    assert set(timings) == {"1", "2"}


def test_progress(networks, virtual, quick):
    seen = []
    measure_networks(networks, quick, progress=lambda *call: seen.append(call))
    assert seen[0][2] == "loading 0"
    assert seen[-1][2] == "round 4 of about 4"


def test_nothing_to_measure(virtual, quick):
    assert measure_networks({}, quick) == {}
