"""Plain and elastic modules of every block family, built from specs."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from predictors import Params
from search_spaces import SpaceError
from search_spaces.blocks import (
    BlockSpec,
    Bottleneck,
    Conv,
    Head,
    MaxPool,
    MBConv,
    ShuffleV2,
    ShuffleXception,
)
from search_spaces.blocks.spec import block_family
from search_spaces.modules import build_block, build_elastic
from search_spaces.modules.block import ElasticChoice

MBCONV = MBConv(8, 8, 24, 8, kernel=5, act="relu6", se=8, shortcut=True)
BLOCKS: list[BlockSpec] = [
    Conv(3, 8, 9, kernel=3, stride=2, act="h_swish"),
    Conv(4, 6, 8, act=None),
    Conv(6, 6, 8, kernel=3, shortcut=True),
    Bottleneck(16, 16, 4, 8),
    Bottleneck(8, 16, 4, 7, kernel=5, stride=2, act="swish", project=True),
    MaxPool(8, 7),
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


def test_unknown_activation_names_the_nearest() -> None:
    with pytest.raises(SpaceError, match="'h_swish'"):
        build_block(Conv(3, 4, 8, act="hswish"))
    elastic = build_elastic([Conv(3, 4, 8, act="hswish")])
    with pytest.raises(SpaceError, match="'h_swish'"):
        elastic(torch.zeros(1, 3, 8, 8), Conv(3, 4, 8, act="hswish"))


def test_odd_channels_cannot_be_split() -> None:
    with pytest.raises(SpaceError, match="even"):
        build_block(ShuffleV2(7, 8, 4, 6))


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
