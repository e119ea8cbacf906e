"""GhostNet: rounding to four channels, and where its bottlenecks change shape."""

from __future__ import annotations

from search_spaces import get_space
from search_spaces.blocks import GhostBottleneck


def test_widths_are_multiples_of_four() -> None:
    space = get_space("ghostnet")
    assert space.size == 12
    blocks = [b for b in space.distinct_blocks() if isinstance(b, GhostBottleneck)]
    assert all(n % 4 == 0 for b in blocks for n in (b.cin, b.cout, b.mid, b.se))
    assert any(b.cout % 8 for b in blocks)


def test_five_strides_halve_the_image() -> None:
    blocks = get_space("ghostnet").blocks({"resolution": 224, "width": 1.0})
    ghosts = [b for b in blocks.values() if isinstance(b, GhostBottleneck)]
    assert len(ghosts) == 16
    assert sum(b.stride == 2 for b in ghosts) == 4
    assert sum(b.projects for b in ghosts) == 5
    assert sum(b.se > 0 for b in ghosts) == 7
    assert blocks["final"].in_shape == (160, 7, 7)
