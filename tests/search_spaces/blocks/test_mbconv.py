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


@pytest.mark.parametrize(("stride", "cout"), [(1, 12), (2, 8), (2, 12)])
def test_a_shortcut_that_changes_shape(stride: int, cout: int) -> None:
    """Pool by the stride, and a 1x1 convolution only where the widths differ."""
    plain = MBConv(8, cout, 16, 9, stride=stride)
    block = MBConv(8, cout, 16, 9, stride=stride, shortcut=True, shortcut_kind="pool_conv")
    ops = [layer.op for layer in block.layers()]
    assert block.out_shape == plain.out_shape
    assert ops.count("avg_pool") == (stride == 2)
    projected = 8 * cout if cout != 8 else 0
    assert Params()(block) - Params()(plain) == projected
    assert Macs()(block) - Macs()(plain) == projected * block.out_shape[1] ** 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shortcut_kind": "conv"}, "'identity' or 'pool_conv', got 'conv'"),
        ({"shortcut_kind": "pool_conv", "shortcut": True}, "leave shortcut_kind 'identity'"),
        ({"shortcut_kind": "pool_conv", "stride": 2}, "leave shortcut_kind 'identity'"),
    ],
)
def test_a_kind_of_shortcut_without_effect_is_refused(changes: dict, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        MBConv(8, 8, 16, 10, **changes).layers()


def test_fields_of_training_and_defaults_leave_the_identity_alone() -> None:
    block = MBConv(8, 8, 16, 10, shortcut=True, kernel_transform=False)
    assert block == MBConv(8, 8, 16, 10, shortcut=True)
    assert block.identity() == {
        "block": "MBConv", "cin": 8, "cout": 8, "mid": 16, "hw": 10, "shortcut": True
    }  # fmt: skip
