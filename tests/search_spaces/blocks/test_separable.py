from __future__ import annotations

import pytest

from predictors import Macs, Params
from search_spaces import SpaceError
from search_spaces.blocks import AsymmetricConv, FactorizedReduce, SeparableConv, layers_of


def test_separable_convolution_twice() -> None:
    """The first depthwise convolution has the stride, the first 1x1 the new channels."""
    block = SeparableConv(4, 6, 9, kernel=5, stride=2)
    assert block.out_shape == (6, 5, 5)
    assert Macs()(block) == (4 * 25 + 4 * 6 + 6 * 25 + 6 * 6) * 25
    assert Params()(block) == 4 * 25 + 4 * 6 + 6 * 25 + 6 * 6 + 2 * (6 + 6)


def test_dilation_costs_nothing_and_keeps_the_size() -> None:
    plain, dilated = (SeparableConv(4, 4, 9, dilation=d, repeats=1) for d in (1, 2))
    assert dilated.out_shape == plain.out_shape == (4, 9, 9)
    assert Macs()(dilated) == Macs()(plain) == (4 * 9 + 4 * 4) * 81
    assert layers_of(dilated) != layers_of(plain)


def test_asymmetric_convolutions_stride_along_their_kernels() -> None:
    block = AsymmetricConv(4, 6, 8, kernel=7, stride=2)
    across, down = (layer for layer in block.layers() if layer.op == "conv2d")
    assert across.out_shape == (6, 8, 4)
    assert down.out_shape == block.out_shape == (6, 4, 4)
    assert Macs()(block) == 4 * 6 * 7 * 32 + 6 * 6 * 7 * 16


def test_factorised_reduction_has_any_number_of_channels_from_two() -> None:
    block = FactorizedReduce(4, 7, 9)
    assert block.out_shape == (7, 5, 5)
    assert Macs()(block) == 4 * 7 * 25
    assert Params()(block) == 4 * 7 + 2 * 7
    with pytest.raises(SpaceError, match="below 1"):
        layers_of(FactorizedReduce(4, 1, 9))
