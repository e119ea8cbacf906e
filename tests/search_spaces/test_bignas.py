"""BigNAS's space against an independent count of it."""

from __future__ import annotations

from predictors import Macs, Params, compile_cost
from search_spaces import get_space
from search_spaces.blocks import MBConv


def test_size() -> None:
    assert get_space("bignas").size == 235_929_600


def test_extremes() -> None:
    """In millions; the 1x1 convolutions of shortcuts are counted."""
    space = get_space("bignas")
    macs, params = compile_cost(space, Macs()), compile_cost(space, Params())
    low, high = macs.minimum(), macs.maximum()
    assert (round(low.value / 1e6, 3), round(high.value / 1e6, 3)) == (219.382, 1899.779)
    assert round(params.of(low.architecture) / 1e6, 3) == 5.595
    assert round(params.of(high.architecture) / 1e6, 4) == 19.2551
    assert (low.architecture["resolution"], high.architecture["resolution"]) == (192, 320)


def test_every_block_has_squeeze_excite_and_a_shortcut() -> None:
    blocks = [b for b in get_space("bignas").distinct_blocks() if isinstance(b, MBConv)]
    assert all(block.se and block.shortcut and block.act == "swish" for block in blocks)
    assert not any(block.kernel_transform for block in blocks)
    for block in blocks:
        same = block.stride == 1 and block.cin == block.cout
        assert block.shortcut_kind == ("identity" if same else "pool_conv")


def test_a_stage_shares_width_kernel_and_expansion() -> None:
    space = get_space("bignas")
    largest = compile_cost(space, Macs()).maximum().architecture
    blocks = [b for name, b in space.blocks(largest).items() if name.startswith("stage6")]
    assert [block and (block.cout, block.kernel) for block in blocks] == [(216, 5)] * 6
