"""AutoFormer's spaces against their published numbers."""

from __future__ import annotations

import pytest

from predictors import Macs, Params, compile_cost
from search_spaces import Architecture, SpaceError, get_space
from search_spaces.autoformer import SIZES
from tests.small_spaces import SMALL


@pytest.mark.parametrize(
    ("size", "networks", "smallest", "largest"),
    [
        ("tiny", 3 * (4**12 + 4**13 + 4**14), 5.366, 10.517),
        ("small", 3 * (9**12 + 9**13 + 9**14), 13.057, 34.790),
        ("base", 3 * (6**14 + 6**15 + 6**16), 41.688, 76.882),
    ],
)
def test_size_and_range_of_parameters(
    size: str, networks: int, smallest: float, largest: float
) -> None:
    """Millions of parameters as measured on the published code."""
    space = get_space("autoformer", size=size)
    params = compile_cost(space, Params())
    assert space.size == networks
    assert round(params.minimum().value / 1e6, 3) == smallest
    assert round(params.maximum().value / 1e6, 3) == largest


def test_layers_beyond_the_depth_do_not_matter() -> None:
    space = get_space("autoformer")
    short = space.decode([0] * len(space.choices))
    assert space.id_of({**short, "heads_13": 4, "mlp_ratio_14": 4.0}) == space.id_of(short)
    assert space.id_of({**short, "heads_12": 4}) != space.id_of(short)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": "smal"}, "no AutoFormer of size 'smal'.*'small'"),
        ({"resolution": 100}, "Patches of 16 pixels do not tile an image of 100 x 100"),
        ({"heads": (0, 3)}, "heads must be above zero"),
        ({"mlp_ratios": (-1.0,)}, "mlp_ratios must be above zero"),
    ],
)
def test_bad_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        get_space("autoformer", **options)


def test_relative_positions_cost_as_much_as_attention() -> None:
    """Of 64 features for every head and pair of tokens, twice each."""
    space = get_space("autoformer")
    few = {**space.decode([0] * len(space.choices)), "embed_dim": 192}
    macs = compile_cost(space, Macs())
    gained = macs.of(Architecture({**few, "heads_1": 4})) - macs.of(Architecture(few))
    assert gained == 4 * 64 * 197**2 + 4 * 197 * 192 * 64


def test_heads_are_leading_slices_of_queries_keys_and_values() -> None:
    pytest.importorskip("torch")
    from search_spaces import Supernet

    space = get_space("autoformer", **SMALL["autoformer"])
    net = Supernet(space)
    regions = net.active_parameters(space.decode([0] * len(space.choices)))
    for name in "qkv":
        assert regions[f"blocks.layer1.{name}.weight"] == (slice(0, 192), slice(0, 16))
        assert regions[f"blocks.layer1.{name}.bias"] == (slice(0, 192),)
        assert net.get_parameter(f"blocks.layer1.{name}.weight").shape == (256, 24)


def test_published_sizes_are_what_the_options_give() -> None:
    for size, options in SIZES.items():
        same = get_space("autoformer", size="tiny", **options._asdict())
        assert same.fingerprint == get_space("autoformer", size=size).fingerprint
