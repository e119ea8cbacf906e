"""Ghost, partial, fused and large-small convolutions, counted by hand."""

from __future__ import annotations

import pytest

from predictors import INT8_PEAK_MEMORY, Macs, Params
from search_spaces import SpaceError
from search_spaces.blocks import (
    BlockSpec,
    ChannelMixer,
    Conv,
    DepthwiseMixer,
    FusedMBConv,
    Ghost,
    GhostBottleneck,
    LSConv,
    MapAttention,
    PartialConvBlock,
)


def counts(block: BlockSpec) -> tuple[float, float]:
    return Macs()(block), Params()(block)


def test_a_ghost_module_computes_half_of_its_channels_cheaply() -> None:
    block = Ghost(16, 24, 10)
    assert block.out_shape == (24, 10, 10)
    weights = 16 * 12 + 12 * 9
    assert counts(block) == (weights * 100, weights + 2 * (12 + 12))


def test_an_odd_ghost_module_drops_its_last_channel() -> None:
    odd, even = Ghost(16, 23, 10), Ghost(16, 24, 10)
    assert odd.out_shape == (23, 10, 10)
    assert counts(odd) == counts(even)
    assert odd.layers()[-1].op == "leading_channels"


def test_a_ghost_bottleneck_of_one_shape() -> None:
    block = GhostBottleneck(8, 8, 16, 10, se=4)
    assert block.out_shape == (8, 10, 10)
    convolved = 8 * 8 + 8 * 9 + 16 * 4 + 4 * 9
    squeezed = 2 * 16 * 4
    assert Macs()(block) == convolved * 100 + squeezed
    assert Params()(block) == convolved + squeezed + (4 + 16) + 2 * (16 + 8)


def test_a_ghost_bottleneck_that_changes_shape_projects_its_shortcut() -> None:
    block = GhostBottleneck(8, 12, 16, 10, kernel=5, stride=2)
    assert block.out_shape == (12, 5, 5)
    main = (8 * 8 + 8 * 9) * 100 + 16 * 25 * 25 + (16 * 6 + 6 * 9) * 25
    shortcut = (8 * 25 + 8 * 12) * 25
    assert Macs()(block) == main + shortcut
    wider = GhostBottleneck(8, 12, 16, 10, kernel=5)
    assert wider.projects
    assert wider.out_shape == (12, 10, 10)


def test_a_kernel_without_use_is_refused() -> None:
    with pytest.raises(SpaceError, match="leave it 3"):
        GhostBottleneck(8, 8, 16, 10, kernel=5).layers()


def test_a_partial_convolution_of_a_quarter_costs_a_sixteenth() -> None:
    block = PartialConvBlock(16, 32, 10, part=4)
    assert block.out_shape == block.in_shape
    mixing = 4 * 4 * 9
    assert mixing * 16 == 16 * 16 * 9
    assert counts(block) == ((mixing + 2 * 16 * 32) * 100, mixing + 2 * 16 * 32 + 2 * 32)


@pytest.mark.parametrize("part", [0, 16, 20])
def test_a_partial_convolution_must_leave_channels(part: int) -> None:
    with pytest.raises(SpaceError):
        PartialConvBlock(16, 32, 10, part=part).layers()


def test_a_fused_inverted_residual() -> None:
    block = FusedMBConv(8, 8, 32, 10, se=2, shortcut=True)
    assert block.out_shape == (8, 10, 10)
    weights = 8 * 32 * 9 + 32 * 8
    assert Macs()(block) == weights * 100 + 2 * 32 * 2
    assert Params()(block) == weights + 2 * 32 * 2 + (32 + 2) + 2 * (32 + 8)
    with pytest.raises(SpaceError, match="cannot be added"):
        FusedMBConv(8, 12, 32, 10, shortcut=True).layers()


def test_a_large_small_convolution_counts_its_perception_only() -> None:
    """LSNet's convolution at 64 channels; the aggregation is left out as published."""
    block = LSConv(64, 32, 14, kernels=8)
    assert block.out_shape == block.in_shape
    weights = 64 * 32 + 32 * 49 + 32 * 32 + 32 * 72
    assert Macs()(block) == weights * 14**2
    assert Params()(block) == weights + 72 + 2 * (32 + 32 + 32 + 72 + 64)
    aggregation = next(layer for layer in block.layers() if layer.op == "aggregate")
    assert (aggregation.macs, aggregation.kernel, aggregation.groups) == (0, 3, 8)


def test_mixers_of_pixels_and_channels() -> None:
    pixels = DepthwiseMixer(16, 10, se=4)
    assert Macs()(pixels) == 16 * (9 + 1) * 100 + 2 * 16 * 4
    assert Params()(pixels) == 16 * (9 + 1) + 2 * (16 + 16) + 2 * 16 * 4 + 4 + 16
    channels = ChannelMixer(16, 40, 10)
    assert counts(channels) == (2 * 16 * 40 * 100, 2 * 16 * 40 + 2 * (40 + 16))
    assert pixels.out_shape == channels.out_shape == (16, 10, 10)


def test_attention_of_pixels_learns_a_bias_of_every_offset() -> None:
    """LSNet-T's last stage: sixteen pixels, four heads of 16 and 96."""
    block = MapAttention(384, 4, heads=4, key_dim=16, value_dim=96)
    products = 4 * 16 * 16 * (16 + 96)
    assert products == 114_688
    weights = 2 * 384 * 64 + 2 * 384 * 384 + 64 * 9
    assert Macs()(block) == weights * 16 + products
    assert Params()(block) == weights + 2 * (64 + 64 + 64 + 384 + 384) + 4 * 16
    # of int8: the input, values and two copies of the scores while weights are multiplied
    assert INT8_PEAK_MEMORY(block) == 16 * (384 + 384 + 384) + 4 * 16**2


def test_an_even_kernel_tiles_its_input() -> None:
    block = Conv(3, 40, 224, kernel=4, stride=4, act=None, padded=False)
    assert block.out_shape == (40, 56, 56)
    assert Macs()(block) == 3 * 40 * 16 * 56**2
    assert Conv(3, 40, 225, kernel=2, stride=2, padded=False).out_shape == (40, 112, 112)
    with pytest.raises(SpaceError, match=r"an even one without padding.*got kernel 4"):
        Conv(3, 40, 224, kernel=4, stride=4).layers()
