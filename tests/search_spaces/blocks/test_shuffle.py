from __future__ import annotations

from predictors import Macs, Params
from search_spaces.blocks import ShuffleV2, ShuffleXception


def test_shuffle_unit_of_stride_one() -> None:
    """Half of the channels passes; the main branch makes the rest."""
    block = ShuffleV2(16, 16, 8, 7, kernel=5)
    assert block.out_shape == (16, 7, 7)
    assert Macs()(block) == (8 * 8 + 8 * 25 + 8 * 8) * 49
    assert Params()(block) == 8 * 8 + 8 * 25 + 8 * 8 + 2 * (8 + 8 + 8)


def test_shuffle_unit_of_stride_two() -> None:
    """Both branches see the whole input; the side branch keeps its number of channels."""
    block = ShuffleV2(16, 40, 20, 8, kernel=3, stride=2)
    assert block.out_shape == (40, 4, 4)
    side = 16 * 9 * 16 + 16 * 16 * 16
    main = 16 * 20 * 64 + 20 * 9 * 16 + 20 * 24 * 16
    assert Macs()(block) == side + main


def test_xception_unit() -> None:
    block = ShuffleXception(16, 16, 10, 6)
    assert block.out_shape == (16, 6, 6)
    assert Macs()(block) == (8 * 9 + 8 * 10 + 10 * 9 + 10 * 10 + 10 * 9 + 10 * 8) * 36
