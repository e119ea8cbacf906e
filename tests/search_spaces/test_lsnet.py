"""LSNet: what alternates in its stages, and refusals."""

from __future__ import annotations

import pytest

from search_spaces import SpaceError, get_space
from search_spaces.blocks import ChannelMixer, DepthwiseMixer, LSConv, MapAttention
from search_spaces.published import published_subnets


def test_pixels_and_channels_are_mixed_in_turn() -> None:
    subnet = next(s for s in published_subnets() if s.name == "LSNet-T")
    blocks = get_space("lsnet").blocks(subnet.architecture)
    stages = [block for name, block in blocks.items() if name.startswith("stage") and block]
    pixels, channels = stages[0::2], stages[1::2]
    assert len(pixels) == 0 + 2 + 8 + 10
    assert {type(block) for block in channels} == {ChannelMixer}
    assert {type(block) for block in pixels[0::2]} == {DepthwiseMixer}
    assert [type(block) for block in pixels[1::2]] == [LSConv] * 5 + [MapAttention] * 5
    assert blocks["head"].in_shape == (384, 4, 4)


def test_a_stage_without_blocks_still_changes_width() -> None:
    blocks = get_space("lsnet").blocks(
        {"resolution": 224, "width_1": 64, "width_2": 192, "width_3": 320, "width_4": 448}
        | {"depth_1": 0, "depth_2": 2, "depth_3": 8, "depth_4": 10}
    )
    assert blocks["stage1.0.pixels"] is None
    assert blocks["merge2"].in_shape == (64, 28, 28)
    assert blocks["merge2"].out_shape == (192, 14, 14)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depths": [[1], [2]]}, "4 stages, got 4 and 2"),
        ({"widths": [[64], [128], [250], [384]]}, r"multiples of 8, got \[250\]"),
    ],
)
def test_stages_that_cannot_be_built_are_refused(options: dict, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        get_space("lsnet", **options)
