from __future__ import annotations

import pytest

from predictors import Macs, Params
from search_spaces import SpaceError
from search_spaces.blocks import Bottleneck, Conv, MaxPool


def test_bottleneck_with_an_identity_shortcut() -> None:
    block = Bottleneck(16, 16, 4, 10)
    weights = 16 * 4 + 4 * 4 * 9 + 4 * 16
    assert block.out_shape == (16, 10, 10)
    assert Macs()(block) == weights * 100
    assert Params()(block) == weights + 2 * (4 + 4 + 16)
    assert [layer.op for layer in block.layers()][-2:] == ["add", "relu"]


def test_bottleneck_with_a_projected_shortcut() -> None:
    """The shortcut is pooled before its convolution, so that costs a quarter."""
    block = Bottleneck(8, 16, 4, 9, stride=2, project=True)
    assert block.out_shape == (16, 5, 5)
    assert Macs()(block) == 8 * 4 * 81 + (4 * 4 * 9 + 4 * 16 + 8 * 16) * 25
    assert [layer.op for layer in block.layers()].count("avg_pool") == 1
    same_size = Bottleneck(8, 16, 4, 9, project=True)
    assert not any(layer.op == "avg_pool" for layer in same_size.layers())


@pytest.mark.parametrize("changes", [{"stride": 2}, {"cout": 8}])
def test_a_shortcut_that_changes_shape_must_be_projected(changes: dict) -> None:
    with pytest.raises(SpaceError, match="cannot be added"):
        Bottleneck(**{"cin": 16, "cout": 16, "mid": 4, "hw": 10, **changes}).layers()


def test_max_pool_costs_nothing() -> None:
    block = MaxPool(8, 11)
    assert block.out_shape == (8, 6, 6)
    assert Macs()(block) == Params()(block) == 0


def test_a_convolution_with_a_shortcut() -> None:
    plain, block = Conv(8, 8, 6, kernel=3), Conv(8, 8, 6, kernel=3, shortcut=True)
    assert block.layers()[-1].op == "add"
    assert Macs()(block) == Macs()(plain)
    assert plain.identity() == {"block": "Conv", "cin": 8, "cout": 8, "hw": 6, "kernel": 3}
    with pytest.raises(SpaceError, match="cannot be added"):
        Conv(8, 9, 6, shortcut=True).layers()
