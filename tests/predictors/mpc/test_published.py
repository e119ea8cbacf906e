"""What MPCViT publishes, and what its head count cannot see (Zeng et al. 2023)."""

from __future__ import annotations

import json
from itertools import combinations_with_replacement, cycle, islice
from pathlib import Path

import numpy as np
import pytest

from predictors import compile_cost
from predictors.mpc import NETWORKS, Laws, SoftmaxHeads, get_protocol, private_costs
from search_spaces import Architecture, SearchSpace, get_space

FACTS = Path(__file__).parents[3].parent / "shared" / "data" / "mpc_costs.json"
KINDS = ("scale_attention", "relu_softmax")
LAYERS, HEADS = 7, 4


def space() -> SearchSpace:
    return get_space("mpc_vit", attention=KINDS, activations=("gelu",))


def with_kept(space: SearchSpace, kept: list[int]) -> Architecture:
    """Return the network that keeps so many ReLU-softmax heads in each layer."""
    options = {choice.name: choice.options[0] for choice in space.choices}
    for layer, heads in enumerate(kept, start=1):
        options |= {f"attention_{layer}_{head}": KINDS[1] for head in range(1, heads + 1)}
    return Architecture(options)


def spread(heads: int) -> list[int]:
    layers = list(islice(cycle(range(LAYERS)), heads))
    return [layers.count(layer) for layer in range(LAYERS)]


@pytest.mark.skipif(not FACTS.exists(), reason="needs ../shared/data/mpc_costs.json")
@pytest.mark.parametrize("data", ["cifar10", "cifar100"])
def test_published_latency_is_linear_in_our_bytes_of_kept_heads(data: str) -> None:
    points = json.loads(FACTS.read_text("utf-8"))["published"]["mpcvit"]["mu_table"][data]
    networks, model = space(), private_costs(Laws(get_protocol("semi2k")))[0]
    sent = compile_cost(networks, model)
    totals = np.array([sent.of(with_kept(networks, spread(n))) for n in (0, LAYERS * HEADS)])
    shares = np.array([point[0] for point in points])
    expected = np.array([point[3] for point in points])
    predicted_bytes = totals[0] + shares * (totals[1] - totals[0])
    slope, start = np.polyfit(predicted_bytes, expected, 1)
    assert np.abs((start + slope * predicted_bytes) / expected - 1).max() < 0.01
    if data == "cifar10":  # the authors' networks of one kind, which were not fitted
        assert start + slope * totals == pytest.approx([44.63, 71.82], rel=0.02)


def test_bytes_are_linear_in_kept_heads_and_rounds_are_not() -> None:
    networks = space()
    sent, rounds, _ = (
        compile_cost(networks, model) for model in private_costs(Laws(get_protocol("semi2k")))
    )
    kept = [with_kept(networks, spread(n)) for n in (0, 7, 14, 28)]
    values = [sent.of(architecture) for architecture in kept]
    assert values[1] - values[0] == pytest.approx((values[3] - values[0]) / 4)
    assert rounds.of(kept[1]) == rounds.of(kept[2]) > rounds.of(kept[3]) > rounds.of(kept[0])
    heads = compile_cost(networks, SoftmaxHeads())
    assert [heads.of(architecture) for architecture in kept] == [0, 7, 14, 28]


def test_packing_kept_heads_into_layers_saves_network_time_at_equal_head_count() -> None:
    networks, heads = space(), 14
    seconds = compile_cost(
        networks, private_costs(Laws(get_protocol("semi2k")), NETWORKS["wan"])[2]
    )
    ways = [
        list(kept)
        for kept in combinations_with_replacement(range(HEADS + 1), LAYERS)
        if sum(kept) == heads
    ]
    best = min(seconds.of(with_kept(networks, kept)) for kept in ways)
    assert best == pytest.approx(seconds.of(with_kept(networks, [4, 4, 4, 2, 0, 0, 0])))
    assert best < 0.92 * seconds.of(with_kept(networks, spread(heads)))
