from __future__ import annotations

import pytest

from predictors import Macs, Params, compile_cost
from search_spaces import get_space
from search_spaces.mobile_small import DEPTHS, EXPANSIONS, KERNELS, WIDTHS


def test_size_by_the_closed_form() -> None:
    """A stage of width w and depth d has (kernels x expansions)^d networks."""
    per_block = len(KERNELS) * len(EXPANSIONS)
    size = 3
    for widths in WIDTHS:
        size *= len(widths) * sum(per_block**depth for depth in DEPTHS)
    assert get_space("mobile_small").size == size


@pytest.mark.parametrize("options", [{}, {"resolutions": [64], "stem_stride": 2}, {"channels": 1}])
def test_extremes_are_the_first_and_last_options(options: dict) -> None:
    space = get_space("mobile_small", **options)
    for cost in (Macs(), Params()):
        table = compile_cost(space, cost)
        first = {c.name: c.options[0] for c in space.choices}
        last = {c.name: c.options[-1] for c in space.choices}
        assert table.of(space.decode(space.encode(first))) == table.minimum().value
        assert table.of(space.decode(space.encode(last))) == table.maximum().value


def test_the_options_reach_the_blocks() -> None:
    space = get_space("mobile_small", classes=7, channels=1, resolutions=[40], stem_stride=2)
    smallest = compile_cost(space, Macs()).minimum().architecture
    blocks = space.blocks(smallest)
    assert blocks["stem"].in_shape == (1, 40, 40)
    assert blocks["stem"].out_shape == (16, 20, 20)
    assert blocks["head"].out_shape == (7,)
    assert space.resolution_of(smallest) == 40


def test_it_is_small() -> None:
    """Two cores train it: the largest network stays under 20 M multiply-accumulates."""
    space = get_space("mobile_small")
    assert compile_cost(space, Macs()).maximum().value < 20e6
    assert compile_cost(space, Params()).maximum().value < 1e6
