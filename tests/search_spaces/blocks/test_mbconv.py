from __future__ import annotations

import pytest

from predictors import Macs, Params
from search_spaces import SpaceError
from search_spaces.blocks import MBConv


def test_mbconv() -> None:
    block = MBConv(8, 8, 24, 10, kernel=5, se=6, shortcut=True)
    assert block.out_shape == (8, 10, 10)
    assert Macs()(block) == (8 * 24 + 24 * 25 + 24 * 8) * 100 + 2 * 24 * 6
    weights = 8 * 24 + 24 * 25 + 24 * 8 + 2 * 24 * 6
    assert Params()(block) == weights + (6 + 24) + 2 * (24 + 24 + 8)
    assert block.layers()[-1].op == "add"


def test_mbconv_without_expansion() -> None:
    block = MBConv(8, 12, 8, 10, stride=2, expand_conv=False)
    assert block.out_shape == (12, 5, 5)
    assert Macs()(block) == (8 * 9 + 8 * 12) * 25
    with pytest.raises(SpaceError, match="mid must equal cin"):
        MBConv(8, 12, 16, 10, expand_conv=False).layers()


@pytest.mark.parametrize(
    "block", [MBConv(8, 12, 16, 10, shortcut=True), MBConv(8, 8, 16, 10, stride=2, shortcut=True)]
)
def test_a_shortcut_must_fit(block: MBConv) -> None:
    with pytest.raises(SpaceError, match="cannot be added"):
        block.layers()
