"""Once-for-all's ResNet-50 space against its published numbers."""

from __future__ import annotations

import math

import pytest

from predictors import Macs, Params, compile_cost
from search_spaces import get_space
from search_spaces.blocks import Bottleneck, Conv


def test_size() -> None:
    """The published number counts configurations; two widths of the inner stem are one."""
    space = get_space("ofa_resnet50", resolutions=[224])
    configurations = (
        2
        * 3**6
        * math.prod(
            sum(3**depth for depth in choice.options)
            for choice in space.choices
            if choice.name.startswith("depth")
        )
    )
    assert configurations == 2 * 3**6 * 117**3 * 1053 == 2_458_914_796_962
    inner = {block.cout for block in space.slot_blocks("stem")}
    assert inner == {24, 32}
    assert space.size == configurations * len(inner) // 3


@pytest.mark.parametrize(
    ("resolution", "smallest", "largest"), [(128, 315.08, 2447.630), (224, 962.192, 7491.644)]
)
def test_extremes(resolution: int, smallest: float, largest: float) -> None:
    space = get_space("ofa_resnet50", resolutions=[resolution])
    macs, params = compile_cost(space, Macs()), compile_cost(space, Params())
    low, high = macs.minimum(), macs.maximum()
    assert (round(low.value / 1e6, 3), round(high.value / 1e6, 3)) == (smallest, largest)
    assert round(params.of(low.architecture) / 1e6, 4) == 6.5393
    assert round(params.of(high.architecture) / 1e6, 3) == 48.106


def test_the_stem_s_residual_is_optional() -> None:
    space = get_space("ofa_resnet50", resolutions=[224])
    largest = compile_cost(space, Macs()).maximum().architecture
    assert space.blocks(largest)["stem_residual"] == Conv(32, 32, 112, kernel=3, shortcut=True)
    without = space.blocks(largest.replace(stem_residual="no"))
    assert without["stem_residual"] is None


def test_first_blocks_project_and_others_do_not() -> None:
    space = get_space("ofa_resnet50", resolutions=[224])
    for name in (slot.name for slot in space.slots if slot.name.startswith("stage")):
        for block in space.slot_blocks(name):
            assert isinstance(block, Bottleneck)
            assert block.project == name.endswith(".0")
            assert block.mid % 8 == 0
