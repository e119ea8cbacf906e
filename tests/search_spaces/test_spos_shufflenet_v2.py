"""Single Path One-Shot's space against its published numbers."""

from __future__ import annotations

import numpy as np
import pytest

from predictors import Macs, Params, compile_cost
from search_spaces import get_space
from search_spaces.spos_shufflenet_v2 import OPERATIONS

# The searched network of the repository: 323 M, 3.5 M parameters, 74.4 % top-1.
PUBLISHED = (2, 1, 0, 1, 2, 0, 2, 0, 2, 0, 2, 3, 0, 0, 0, 0, 3, 2, 3, 3)


def test_size() -> None:
    assert get_space("spos_shufflenet_v2").size == 4**20


def test_the_published_network() -> None:
    space = get_space("spos_shufflenet_v2")
    row = np.array([PUBLISHED], dtype=np.int16)
    macs, params = compile_cost(space, Macs()), compile_cost(space, Params())
    assert round(macs(row)[0] / 1e6, 3) == 322.919
    assert params(row)[0] == 3_558_464


@pytest.mark.parametrize(
    ("operation", "macs_m"), [*zip(OPERATIONS, (295.84, 313.65, 340.37, 358.83), strict=True)]
)
def test_networks_of_one_operation(operation: str, macs_m: float) -> None:
    space = get_space("spos_shufflenet_v2")
    row = np.full((1, 20), OPERATIONS.index(operation), dtype=np.int16)
    assert compile_cost(space, Macs())(row)[0] / 1e6 == pytest.approx(macs_m, abs=0.01)


def test_the_published_distribution_of_uniform_samples() -> None:
    """Mean 327.1 M, standard deviation 11.7 M, 58.7 % at most 330 M."""
    space = get_space("spos_shufflenet_v2")
    sample = space.sample(50_000, np.random.default_rng(0))
    macs = compile_cost(space, Macs())(sample) / 1e6
    assert macs.mean() == pytest.approx(327.1, abs=0.3)
    assert macs.std() == pytest.approx(11.75, abs=0.2)
    assert (macs <= 330).mean() == pytest.approx(0.587, abs=0.01)


def test_channel_search() -> None:
    """Ten scales for each layer; the scale 1 of all layers is the space without them."""
    scaled, plain = (
        get_space("spos_shufflenet_v2", channel_scales=True),
        get_space("spos_shufflenet_v2"),
    )
    assert scaled.size == 40**20
    for row in plain.decode_all(plain.sample(5, np.random.default_rng(0))):
        whole = {**row, **{f"scale_{layer}": 1.0 for layer in range(1, 21)}}
        assert scaled.id_of(whole) == plain.id_of(row)


def test_scales_share_weights() -> None:
    pytest.importorskip("torch")
    from search_spaces import Supernet

    space = get_space("spos_shufflenet_v2", channel_scales=True, resolution=32, classes=4)
    net = Supernet(space)
    smallest, largest = (space.decode(row) for row in ([0] * 40, [0, 9] * 20))
    small, large = net.active_parameters(smallest), net.active_parameters(largest)
    assert set(small) == set(large)
    name = next(n for n in small if "layer3" in n and "expand" in n and n.endswith("conv.weight"))
    assert (small[name][0], large[name][0]) == (slice(0, 6), slice(0, 64))
