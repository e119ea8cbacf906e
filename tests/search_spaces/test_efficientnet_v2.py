"""EfficientNetV2's space: operations with weights of their own, and the published network."""

from __future__ import annotations

import pytest

from search_spaces import SpaceError, get_space
from search_spaces.blocks import Conv, FusedMBConv, MBConv
from search_spaces.published import published_subnets


def test_a_stage_holds_the_block_its_choices_name() -> None:
    space = get_space("efficientnet_v2")
    blocks = space.slot_blocks("stage2.1")
    families = {type(block) for block in blocks}
    assert families == {MBConv, FusedMBConv, Conv}
    assert all(b.mid == b.cin for b in blocks if isinstance(b, MBConv) and not b.expand_conv)
    assert all(b.shortcut for b in blocks)


def test_the_published_network_fuses_its_first_three_stages() -> None:
    subnet = next(s for s in published_subnets() if s.name == "EfficientNetV2-S")
    blocks = get_space("efficientnet_v2").blocks(subnet.architecture)
    kinds = [type(block).__name__ for name, block in blocks.items() if name.startswith("stage")]
    assert kinds == ["Conv"] * 2 + ["FusedMBConv"] * 8 + ["MBConv"] * 30


def test_the_number_of_stages_is_checked() -> None:
    with pytest.raises(SpaceError, match="8 layers and depths 6 stages, got 2 and 6"):
        get_space("efficientnet_v2", widths=[24, 24])
