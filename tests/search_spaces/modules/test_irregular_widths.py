"""Blocks of widths that no rule rounded, as pruning leaves them: 37 channels, 53 inside."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from predictors import Macs, Params, PeakMemory
from predictors.fvcore_counter import fvcore_macs
from search_spaces.blocks import (
    BlockSpec,
    Bottleneck,
    ChannelMixer,
    Conv,
    DepthwiseMixer,
    FusedMBConv,
    Ghost,
    GhostBottleneck,
    Head,
    LSConv,
    MapAttention,
    MBConv,
    NormAct,
    PartialConvBlock,
    PatchEmbed,
    PreActConv,
    PreActResidual,
    ShuffleV2,
    ShuffleXception,
    TokenHead,
    TransformerLayer,
    block_from_json,
)
from search_spaces.modules import ElasticBlock, build_block, build_elastic

# A block, and a larger one of irregular widths from whose weights its own are sliced.
PAIRS: list[tuple[BlockSpec, BlockSpec]] = [
    (Conv(37, 53, 9, kernel=3, stride=2), Conv(41, 59, 9, kernel=5, stride=2)),
    (
        Conv(3, 37, 9, kernel=4, stride=4, padded=False),
        Conv(3, 41, 9, kernel=4, stride=4, padded=False),
    ),
    (MBConv(37, 37, 53, 7, se=11, shortcut=True), MBConv(41, 41, 59, 7, kernel=7, se=13)),
    (
        MBConv(37, 29, 53, 7, stride=2, shortcut=True, shortcut_kind="pool_conv"),
        MBConv(41, 31, 59, 7, stride=2, shortcut=True, shortcut_kind="pool_conv"),
    ),
    (
        FusedMBConv(37, 37, 53, 7, se=11, shortcut=True),
        FusedMBConv(41, 41, 59, 7, kernel=5, se=13),
    ),
    (Bottleneck(37, 37, 13, 7), Bottleneck(41, 43, 17, 7, project=True)),
    (Ghost(37, 53, 7), Ghost(41, 59, 7, kernel=3, cheap=5)),
    (GhostBottleneck(37, 37, 53, 7, se=11), GhostBottleneck(41, 43, 59, 7, se=13)),
    (
        GhostBottleneck(37, 29, 53, 7, stride=2),
        GhostBottleneck(41, 31, 59, 7, kernel=5, stride=2, se=13),
    ),
    (PartialConvBlock(37, 53, 7, part=9), PartialConvBlock(41, 59, 7, part=10, kernel=5)),
    (LSConv(37, 19, 9, kernels=5), LSConv(41, 21, 9, kernels=7, kernel=9)),
    (DepthwiseMixer(37, 7, se=11), DepthwiseMixer(41, 7, kernel=5, se=13)),
    (ChannelMixer(37, 53, 7), ChannelMixer(41, 59, 7)),
    (
        MapAttention(37, 3, heads=3, key_dim=5, value_dim=7),
        MapAttention(41, 4, heads=5, key_dim=7, value_dim=9, kernel=5),
    ),
    (ShuffleV2(37, 37, 13, 7), ShuffleV2(41, 41, 17, 7, kernel=5)),
    (ShuffleV2(37, 53, 13, 7, stride=2), ShuffleV2(41, 59, 17, 7, kernel=5, stride=2)),
    (ShuffleXception(37, 53, 13, 7, stride=2), ShuffleXception(41, 59, 17, 7, stride=2)),
    (NormAct(37, 7), NormAct(41, 7)),
    (PreActConv(37, 53, 7, kernel=3), PreActConv(41, 59, 7, kernel=3)),
    (PreActResidual(37, 53, 7), PreActResidual(41, 59, 7)),
    (Head(37, 7, 5, hidden=53, hidden_bias=True), Head(41, 7, 5, hidden=59, hidden_bias=True)),
    (Head(37, 7, 5, norm=True), Head(41, 7, 5, norm=True)),
    (PatchEmbed(3, 37, 12, patch=4), PatchEmbed(3, 41, 12, patch=4)),
    (TransformerLayer(37, 3, 53, 10, head_dim=7), TransformerLayer(41, 5, 59, 10, head_dim=7)),
    (TokenHead(37, 7, 10), TokenHead(41, 7, 10)),
]


@pytest.fixture(params=PAIRS, ids=lambda pair: str(pair[0]))
def pair(request: pytest.FixtureRequest) -> tuple[BlockSpec, BlockSpec]:
    blocks: tuple[BlockSpec, BlockSpec] = request.param
    return blocks


def test_counts_are_those_of_the_plain_module(pair: tuple[BlockSpec, BlockSpec]) -> None:
    for block in pair:
        module = build_block(block).eval()
        assert Params()(block) == sum(p.numel() for p in module.parameters())
        assert Macs()(block) == fvcore_macs(module, block.in_shape)
        assert tuple(module(torch.zeros(2, *block.in_shape)).shape[1:]) == block.out_shape
        assert PeakMemory()(block) > 0
        assert block_from_json(block.to_json()) == block


def test_slices_of_a_larger_block_compute_the_same(pair: tuple[BlockSpec, BlockSpec]) -> None:
    elastic = build_elastic(pair).double().eval()
    generator = torch.Generator().manual_seed(0)
    for tensor in itertools.chain(elastic.parameters(), elastic.buffers()):
        if tensor.is_floating_point():
            noise = torch.rand(tensor.shape, generator=generator, dtype=torch.float64)
            tensor.data = tensor.data * (0.5 + noise) + 0.01 * noise
    for block in pair:
        x = _input(block, generator)
        made, expected = elastic(x.clone(), block), elastic.static(block).eval()(x)
        assert expected.abs().max() > 0
        torch.testing.assert_close(made, expected, rtol=1e-9, atol=1e-9)


def test_only_the_slice_has_gradients(pair: tuple[BlockSpec, BlockSpec]) -> None:
    elastic: ElasticBlock = build_elastic(pair).double()
    block, generator = pair[0], torch.Generator().manual_seed(0)
    elastic(_input(block, generator), block).square().sum().backward()
    regions = elastic.active(block)
    for name, parameter in elastic.named_parameters():
        assert (parameter.grad is not None) == (name in regions), name
        if parameter.grad is not None:
            parameter.grad[regions[name]] = 0
            assert not parameter.grad.any(), name


def _input(block: BlockSpec, generator: torch.Generator) -> Tensor:
    return torch.randn(2, *block.in_shape, generator=generator, dtype=torch.float64)
