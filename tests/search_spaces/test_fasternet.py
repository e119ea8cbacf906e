"""FasterNet: partial convolutions of a quarter, tiles instead of strides, refusals."""

from __future__ import annotations

import pytest

from search_spaces import SpaceError, get_space
from search_spaces.blocks import Conv, PartialConvBlock


def test_a_quarter_of_the_channels_is_mixed() -> None:
    space = get_space("fasternet")
    assert space.size == 6 * 3**3 * 2
    blocks = [b for b in space.distinct_blocks() if isinstance(b, PartialConvBlock)]
    assert all((b.part, b.mid) == (b.cin // 4, 2 * b.cin) for b in blocks)
    tiles = [b for b in space.distinct_blocks() if isinstance(b, Conv)]
    assert {(b.kernel, b.stride) for b in tiles} == {(4, 4), (2, 2)}


def test_widths_that_four_does_not_divide() -> None:
    space = get_space("fasternet", widths=[37])
    first = next(iter(space.slot_blocks("stage1.0")))
    assert isinstance(first, PartialConvBlock)
    assert (first.cin, first.part) == (37, 9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resolutions": [224, 200]}, r"multiples of 32, got \[200\]"),
        ({"depths": [[1], [2]]}, "4 stages, got 2"),
    ],
)
def test_what_does_not_tile_is_refused(options: dict, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        get_space("fasternet", **options)
