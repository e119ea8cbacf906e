from __future__ import annotations

from predictors import Macs, Params
from search_spaces.blocks import Conv


def test_conv() -> None:
    block = Conv(3, 16, 33, kernel=3, stride=2)
    assert (block.in_shape, block.out_shape) == ((3, 33, 33), (16, 17, 17))
    assert Macs()(block) == 16 * 3 * 9 * 17 * 17
    assert Params()(block) == 16 * 3 * 9 + 2 * 16
    assert [layer.op for layer in block.layers()] == ["conv2d", "batch_norm", "relu"]
    assert [layer.op for layer in Conv(3, 4, 8, act=None).layers()] == ["conv2d", "batch_norm"]
