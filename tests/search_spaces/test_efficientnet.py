"""Compound scaling: rounding, what stays unscaled, and the whole published families."""

from __future__ import annotations

import pytest

from predictors import Macs, Params, compile_cost
from search_spaces import SpaceError, get_space
from search_spaces.blocks import MBConv
from search_spaces.published import published_subnets


def test_one_space_holds_b0_to_b7() -> None:
    """The depths of B1 and B2 round up to the same blocks, so one of eight is no network."""
    space = get_space("efficientnet")
    assert space.size == 8 * 7 * 7
    macs, params = compile_cost(space, Macs()), compile_cost(space, Params())
    family = [s for s in published_subnets() if s.name.startswith("EfficientNet-B")]
    assert len(family) == 8
    for subnet in family:
        assert macs.of(subnet.architecture) == subnet.macs
        assert params.of(subnet.architecture) == subnet.params
    assert space.id_of({"resolution": 224, "depth": 1.1, "width": 1.0}) == space.id_of(
        {"resolution": 224, "depth": 1.2, "width": 1.0}
    )


def test_b7_is_the_largest_and_b0_the_smallest() -> None:
    macs = compile_cost(get_space("efficientnet"), Macs())
    assert dict(macs.minimum().architecture) == {"resolution": 224, "depth": 1.0, "width": 1.0}
    assert dict(macs.maximum().architecture) == {"resolution": 600, "depth": 3.1, "width": 2.0}


def test_tinynet_keeps_stem_and_last_convolution_and_rounds_to_the_nearest() -> None:
    chosen = {"resolution": 106, "depth": 0.6, "width": 0.51}
    options = {f"{key}s": [value] for key, value in chosen.items()}
    tiny = get_space("efficientnet", family="tinynet", **options).blocks(chosen)
    scaled = get_space("efficientnet", **options).blocks(chosen)
    assert (tiny["stem"].out_shape[0], scaled["stem"].out_shape[0]) == (32, 16)
    assert (tiny["final"].out_shape[0], scaled["final"].out_shape[0]) == (1280, 656)
    assert sum(block is not None for block in tiny.values()) < len(scaled)


def test_squeeze_excite_is_efficientnet_s() -> None:
    """Swish inside, a sigmoid gate, a quarter of the block's input channels."""
    blocks = [b for b in get_space("efficientnet").distinct_blocks() if isinstance(b, MBConv)]
    assert {(b.se_act, b.se_gate) for b in blocks} == {("swish", "sigmoid")}
    assert all(block.se == block.cin // 4 for block in blocks)


def test_an_unknown_family_names_the_nearest() -> None:
    with pytest.raises(SpaceError, match=r"'tinynets'\. Did you mean 'tinynet'"):
        get_space("efficientnet", family="tinynets")
