"""Plain and elastic modules of every block family, built from specs."""

from __future__ import annotations

import dataclasses
import importlib
import itertools
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from predictors import Params
from search_spaces import SpaceError
from search_spaces.blocks import (
    Activation,
    AsymmetricConv,
    BlockSpec,
    Bottleneck,
    ChannelMixer,
    Concat,
    Conv,
    DepthwiseMixer,
    FactorizedReduce,
    FusedMBConv,
    Ghost,
    GhostBottleneck,
    Head,
    LSConv,
    MapAttention,
    MaxPool,
    MBConv,
    PartialConvBlock,
    PreActConv,
    PrivateAttention,
    PrivateMlp,
    RectifiedConv,
    SeparableConv,
    ShuffleV2,
    ShuffleXception,
    SpatialReduction,
    TokenHead,
    TransformerLayer,
)
from search_spaces.blocks.spec import block_family
from search_spaces.modules import build_block, build_elastic
from search_spaces.modules.block import ElasticChoice
from search_spaces.modules.lsconv import aggregate

MBCONV = MBConv(8, 8, 24, 8, kernel=5, act="relu6", se=8, shortcut=True)
BLOCKS: list[BlockSpec] = [
    Conv(3, 8, 9, kernel=3, stride=2, act="h_swish"),
    Conv(4, 6, 8, act=None),
    Conv(3, 6, 8, kernel=5, stride=2, padded=False),
    PreActConv(4, 6, 9, kernel=5, stride=2, dilation=2),
    SeparableConv(4, 6, 9, kernel=5, stride=2),
    SeparableConv(4, 6, 7, dilation=2, repeats=1),
    AsymmetricConv(4, 6, 9, stride=2),
    FactorizedReduce(4, 7, 9),
    Activation(4, 5),
    Concat(4, 5, (0,)),
    Conv(6, 6, 8, kernel=3, shortcut=True, bn_eps=1e-3),
    Bottleneck(16, 16, 4, 8),
    Bottleneck(8, 16, 4, 7, kernel=5, stride=2, act="swish", project=True),
    MaxPool(8, 7),
    Conv(3, 8, 9, kernel=2, stride=2, padded=False),
    FusedMBConv(8, 12, 16, 7, kernel=5, stride=2),
    FusedMBConv(8, 8, 16, 7, se=4, shortcut=True),
    Ghost(8, 12, 7, act=None),
    Ghost(8, 13, 7, kernel=3, cheap=5),
    GhostBottleneck(8, 8, 12, 7),
    GhostBottleneck(8, 12, 16, 7, kernel=5, stride=2, se=4),
    PartialConvBlock(8, 16, 7, part=2, act="gelu"),
    LSConv(16, 8, 9, kernels=2),
    LSConv(10, 5, 9, kernels=3, kernel=5, small=5),
    DepthwiseMixer(8, 7, kernel=5),
    DepthwiseMixer(8, 7, se=4),
    ChannelMixer(8, 16, 7),
    MapAttention(8, 3, heads=2, key_dim=4, value_dim=5),
    MBCONV,
    MBConv(8, 12, 16, 7, kernel=7, stride=2, act="swish"),
    MBConv(8, 8, 8, 8, expand_conv=False, shortcut=True),
    MBConv(8, 12, 16, 7, stride=2, shortcut=True, shortcut_kind="pool_conv"),
    MBConv(8, 8, 16, 7, se=8, se_act="swish", se_gate="sigmoid", shortcut=True),
    ShuffleV2(8, 16, 8, 8, kernel=5, stride=2),
    ShuffleV2(16, 16, 10, 8, kernel=3),
    ShuffleXception(8, 16, 8, 9, stride=2),
    ShuffleXception(16, 16, 6, 8),
    Head(8, 10, 4, hidden=16, dropout=0.2),
    Head(8, 10, 4, bias=False),
    Head(8, 10, 4, hidden=16, hidden_bias=True),
    Head(8, 10, 4, norm=True),
    TransformerLayer(12, 2, 20, 5, head_dim=6),
    TransformerLayer(12, 2, 20, 5, head_dim=6, relative=False, prefix_bias=True),
    PrivateAttention(12, "softmax", 5, head_dim=6),
    PrivateAttention(12, "two_quad softmax relu_softmax two_quad scale_attention", 5, head_dim=4),
    PrivateMlp(12, 20, 5),
    PrivateMlp(12, 20, 5, act="quadratic"),
    PrivateMlp(12, 20, 5, passed=2),
    PrivateMlp(12, 20, 5, act="linear"),
    RectifiedConv(3, 4, 7, kept=9, rest="polynomial", stride=2),
    RectifiedConv(3, 4, 7, kept=49, granularity="channel"),
    RectifiedConv(3, 4, 7, kept=0, rest="polynomial"),
    RectifiedConv(3, 4, 7, kept=0),
    RectifiedConv(3, 4, 7, kept=196),
    SpatialReduction(6, 8, 17),
    TokenHead(8, 10, 5, pool="class"),
]


@pytest.mark.parametrize("spec", BLOCKS, ids=str)
def test_plain_block_has_the_shape_and_parameters_of_its_spec(spec: BlockSpec) -> None:
    module = build_block(spec).eval()
    out = module(torch.randn(2, *spec.in_shape))
    assert tuple(out.shape[1:]) == spec.out_shape
    assert sum(p.numel() for p in module.parameters()) == Params()(spec)
    assert all(torch.isfinite(tensor).all() for tensor in module.state_dict().values())


@pytest.mark.parametrize("spec", BLOCKS, ids=str)
def test_plain_block_has_the_names_of_the_extracted_one(spec: BlockSpec) -> None:
    fresh, extracted = build_block(spec), build_elastic([spec]).static(spec)
    assert type(fresh) is type(extracted)
    shapes = {name: tensor.shape for name, tensor in fresh.state_dict().items()}
    assert shapes == {name: tensor.shape for name, tensor in extracted.state_dict().items()}


def test_initial_weights_come_from_the_generator_and_nothing_global() -> None:
    state = torch.get_rng_state()
    first = build_block(MBCONV, generator=torch.Generator().manual_seed(3))
    second = build_block(MBCONV, generator=torch.Generator().manual_seed(3))
    other = build_block(MBCONV, generator=torch.Generator().manual_seed(4))
    assert torch.equal(torch.get_rng_state(), state)
    weights = [dict(m.named_parameters())["project.conv.weight"] for m in (first, second, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_elastic_block_shares_a_kernel_crop_and_leading_channels() -> None:
    small, large = Conv(3, 4, 8, kernel=3), Conv(5, 8, 8, kernel=5)
    elastic = build_elastic([small, large])
    weight = dict(elastic.named_parameters())["conv.weight"]
    assert weight.shape == (8, 5, 5, 5)
    extracted = dict(elastic.static(small).named_parameters())["conv.weight"]
    assert torch.equal(extracted, weight[:4, :3, 1:4, 1:4])


@pytest.mark.parametrize(
    "specs",
    [
        [
            SeparableConv(3, 4, 9, kernel=3, repeats=1),
            SeparableConv(6, 7, 9, kernel=5, stride=2),
            SeparableConv(5, 3, 7, kernel=3, dilation=2, repeats=3),
        ],
        [AsymmetricConv(3, 4, 9, kernel=3), AsymmetricConv(5, 3, 9, kernel=7, stride=2)],
        [FactorizedReduce(3, 5, 9), FactorizedReduce(6, 8, 7)],
        [PreActConv(3, 4, 9, dilation=2), PreActConv(5, 6, 9, kernel=5)],
        [Conv(3, 4, 9, kernel=3, padded=False), Conv(5, 6, 9, kernel=5)],
    ],
    ids=lambda specs: type(specs[0]).__name__,
)
def test_elastic_blocks_of_cells_compute_what_they_extract(specs: list[BlockSpec]) -> None:
    """Channels, kernels and repeats that are slices of larger ones."""
    elastic = build_elastic(specs).double().eval()
    for spec in specs:
        x = torch.randn(2, *spec.in_shape, dtype=torch.float64)
        assert torch.allclose(elastic(x, spec), elastic.static(spec).eval()(x), atol=1e-12)


def test_factorised_reduction_reads_even_and_odd_pixels() -> None:
    """On an even side, as DARTS writes it: the second convolution without the first pixel."""
    module = build_block(FactorizedReduce(4, 6, 8)).eval()
    x = torch.randn(2, 4, 8, 8).relu()
    first, second = dict(module.named_children())["first"], dict(module.named_children())["second"]
    expected = torch.cat([first(x), second(x[:, :, 1:, 1:])], 1)
    assert torch.allclose(module(x), expected / (1 + 1e-5) ** 0.5, atol=1e-6)


def test_extracted_weights_are_copies() -> None:
    elastic = build_elastic([MBCONV])
    before = {name: tensor.clone() for name, tensor in elastic.state_dict().items()}
    for tensor in elastic.static(MBCONV).parameters():
        nn.init.constant_(tensor, 7.0)
    for name, tensor in elastic.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_separate_weights_and_families_split_into_groups() -> None:
    blocks = [ShuffleV2(8, 8, 4, 6, kernel=k) for k in (3, 5)] + [ShuffleXception(8, 8, 4, 6)]
    elastic = build_elastic(blocks, ("kernel",))
    assert isinstance(elastic, ElasticChoice)
    assert sorted(elastic.groups) == [
        "ShuffleV2_kernel_3",
        "ShuffleV2_kernel_5",
        "ShuffleXception",
    ]
    used = [set(elastic.active(block)) for block in blocks]
    assert all(used)
    assert not used[0] & used[1]
    assert not used[0] & used[2]
    assert not isinstance(build_elastic(blocks[:2]), ElasticChoice)


def test_shuffle_passes_even_channels_and_computes_on_odd_ones() -> None:
    spec = ShuffleV2(8, 8, 4, 6)
    module = build_block(spec).eval()
    x = torch.randn(2, *spec.in_shape)
    changed = x.clone()
    changed[:, 1::2] = 0
    out, out_changed = module(x), module(changed)
    assert torch.equal(out[:, :4], x[:, 0::2])
    assert torch.equal(out_changed[:, :4], x[:, 0::2])
    assert not torch.equal(out[:, 4:], out_changed[:, 4:])


def test_a_large_small_convolution_aggregates_with_kernels_of_every_pixel() -> None:
    """Against a loop over pixels and channels; channel i takes kernel i modulo two."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, 5, 4, 4, generator=generator)
    kernels = torch.randn(1, 18, 4, 4, generator=generator)
    spec = LSConv(5, 2, 4, kernels=2)
    made, padded = aggregate(x, kernels, spec), torch.nn.functional.pad(x, [1] * 4)
    for channel, row, column in itertools.product(range(5), range(4), range(4)):
        window = padded[0, channel, row : row + 3, column : column + 3].flatten()
        start = 9 * (channel % 2)
        kernel = kernels[0, start : start + 9, row, column]
        torch.testing.assert_close(made[0, channel, row, column], window @ kernel)


def test_attention_knows_how_far_pixels_are_apart() -> None:
    """Biases that favour the pixel itself beyond measure pass values through, projected."""
    spec = MapAttention(8, 3, heads=2, key_dim=4, value_dim=5)
    module = build_block(spec).eval()
    x = torch.randn(2, *spec.in_shape)
    passed = module.project(module.value(x).relu()) + x
    assert not torch.allclose(module(x), passed, atol=1e-3)
    with torch.no_grad():
        module.bias.weight.fill_(-1e4)[:, 0, 0] = 0.0
    torch.testing.assert_close(module(x), passed)
    with torch.no_grad():
        module.mix.bn.weight.zero_()  # queries that tell no key from another
        module.bias.weight.fill_(-1e4)[:, 0, 1] = 0.0  # the next pixels in the row
    middle = module.value(x)[..., 0::2].mean(-1)
    expected = module.project(middle.relu()[..., None]) + x[..., 1:2]
    torch.testing.assert_close(module(x)[..., 1:2], expected)


def test_kernels_of_different_sizes_do_not_share_weights() -> None:
    blocks = [LSConv(16, 8, 9, kernels=2), LSConv(16, 8, 9, kernels=2, small=5)]
    with pytest.raises(SpaceError, match=r"\[3, 5\].*separate_weights=\('small',\)"):
        build_elastic(blocks)
    assert isinstance(build_elastic(blocks, ("small",)), ElasticChoice)


def test_unknown_activation_names_the_nearest() -> None:
    with pytest.raises(SpaceError, match="'h_swish'"):
        build_block(Conv(3, 4, 8, act="hswish"))
    elastic = build_elastic([Conv(3, 4, 8, act="hswish")])
    with pytest.raises(SpaceError, match="'h_swish'"):
        elastic(torch.zeros(1, 3, 8, 8), Conv(3, 4, 8, act="hswish"))


def test_of_odd_channels_one_more_passes() -> None:
    spec = ShuffleV2(7, 8, 4, 6)
    x = torch.randn(2, *spec.in_shape)
    assert torch.equal(build_block(spec).eval()(x)[:, :4], x[:, 0::2])


@pytest.mark.parametrize("block", [Conv(4, 4, 8), MBConv(4, 4, 8, 8)], ids=str)
def test_batch_norm_has_the_epsilon_of_its_blocks_and_one_for_a_slot(block: BlockSpec) -> None:
    """Equal blocks all the same: it costs nothing and makes no other network."""
    other = dataclasses.replace(block, bn_eps=1e-3)
    assert other == block
    assert other.identity() == block.identity()
    for module in (build_block(other), build_elastic([other]).static(other)):
        norms = [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)]
        assert {norm.eps for norm in norms} == {1e-3}
    with pytest.raises(SpaceError, match=r"different bn_eps: \[1e-05, 0\.001\]"):
        build_elastic([block, other])


def test_a_family_without_modules_is_named() -> None:
    @block_family
    class OnlyDescribed(BlockSpec):
        cin: int

    with pytest.raises(SpaceError, match="OnlyDescribed"):
        build_block(OnlyDescribed(3))


def test_separate_weights_must_be_a_field() -> None:
    with pytest.raises(SpaceError, match="'kernel'"):
        build_elastic([Conv(3, 4, 8)], ("kernal",))


def test_no_blocks_is_refused() -> None:
    with pytest.raises(SpaceError, match="at least one block"):
        build_elastic([])


def test_kernels_without_transforms_are_centre_crops() -> None:
    large = MBConv(8, 8, 16, 8, kernel=7, kernel_transform=False)
    small = MBConv(8, 8, 16, 8, kernel=3, kernel_transform=False)
    elastic = build_elastic([large, small])
    assert not any("transform" in name for name, _ in elastic.named_parameters())
    weight = dict(elastic.named_parameters())["depthwise.conv.weight"]
    extracted = dict(elastic.static(small).named_parameters())["depthwise.conv.weight"]
    assert torch.equal(extracted, weight[:, :, 2:5, 2:5])
    assert elastic.active(small)["depthwise.conv.weight"][2:] == (slice(2, 5), slice(2, 5))
    transformed = build_elastic([MBConv(8, 8, 16, 8, kernel=k) for k in (3, 7)])
    assert any("transform" in name for name, _ in transformed.named_parameters())


FAMILY = """
from typing import ClassVar

from search_spaces.blocks import INPUT, BlockSpec, Tape, block_family


@block_family
class DescribedElsewhere(BlockSpec):
    torch_module: ClassVar[str] = "twins_of_described_elsewhere"
    cin: int = 4

    @property
    def in_shape(self):
        return (self.cin, 4, 4)

    def layers(self):
        tape = Tape(self.in_shape)
        tape.act(INPUT, "relu")
        return tape.layers
"""
TWINS = """
from torch import nn

from family_described_elsewhere import DescribedElsewhere
from search_spaces.modules import ElasticBlock, register_modules

register_modules(DescribedElsewhere, plain=lambda spec: nn.ReLU(), elastic=ElasticBlock)
"""


def test_the_torch_half_of_a_family_is_imported_when_it_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "family_described_elsewhere.py").write_text(FAMILY)
    (tmp_path / "twins_of_described_elsewhere.py").write_text(TWINS)
    monkeypatch.syspath_prepend(tmp_path)
    family = importlib.import_module("family_described_elsewhere").DescribedElsewhere
    assert family(cin=3).to_json() == {"block": "DescribedElsewhere", "cin": 3}
    assert "twins_of_described_elsewhere" not in sys.modules
    assert isinstance(build_block(family()), nn.ReLU)
