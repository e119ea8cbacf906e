"""GOLD-NAS's cells: what is there or not, and what an empty node is."""

from __future__ import annotations

import pytest

from predictors import Macs, compile_cost
from search_spaces import Architecture, SpaceError, get_space


def test_two_operations_on_each_of_fourteen_edges_of_every_cell() -> None:
    space = get_space("gold_nas")
    assert len(space.choices) == 14 * 14 * 2
    assert space.size == 2 ** len(space.choices)


def test_a_skip_is_free_and_a_convolution_costs_its_place() -> None:
    space = get_space("gold_nas", width=8, cells=5, resolution=16)
    macs = compile_cost(space, Macs())
    nothing = dict.fromkeys((c.name for c in space.choices), "no")
    base = macs.of(Architecture(nothing))
    assert base == macs.minimum().value
    assert macs.of(Architecture({**nothing, "cell0_0_2_skip": "yes"})) == base
    for cell, width, hw in ((0, 8, 16), (1, 16, 8), (4, 32, 4)):
        found = macs.of(Architecture({**nothing, f"cell{cell}_1_3_conv": "yes"})) - base
        assert found == 2 * (9 * width + width * width) * hw * hw


@pytest.mark.parametrize(("cells", "width"), [(4, 8), (5, 7)])
def test_too_few_cells_and_odd_widths(cells: int, width: int) -> None:
    with pytest.raises(SpaceError, match=f"at least 5 and width even, got {cells} and {width}"):
        get_space("gold_nas", cells=cells, width=width)
