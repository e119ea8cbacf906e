"""AttentiveNAS's space against its published numbers."""

from __future__ import annotations

from predictors import Macs, Params, compile_cost
from search_spaces import get_space
from search_spaces.blocks import Conv, Head, MBConv
from search_spaces.published import published_subnets


def test_size_is_the_published_one() -> None:
    assert get_space("attentive_nas").size == 440_301_256_704


def test_extremes() -> None:
    space = get_space("attentive_nas")
    macs, params = compile_cost(space, Macs()), compile_cost(space, Params())
    low, high = macs.minimum(), macs.maximum()
    assert (round(low.value / 1e6, 2), round(high.value / 1e6, 3)) == (203.39, 1939.336)
    assert round(params.of(low.architecture) / 1e6, 4) == 8.9542
    assert round(params.of(high.architecture) / 1e6, 4) == 23.4041
    assert (low.architecture["resolution"], high.architecture["resolution"]) == (192, 288)


def test_the_smallest_network_is_a0() -> None:
    space = get_space("attentive_nas")
    a0 = next(s for s in published_subnets() if s.name == "AttentiveNAS-A0").architecture
    smallest = compile_cost(space, Macs()).minimum().architecture
    assert space.id_of(a0) == space.id_of(smallest)


def test_which_stages_squeeze() -> None:
    space = get_space("attentive_nas")
    largest = compile_cost(space, Macs()).maximum().architecture
    blocks = space.blocks(largest)
    stages = [blocks[f"stage{s}.0"] for s in range(1, 8)]
    assert [bool(b.se) for b in stages if isinstance(b, MBConv)] == [
        False, False, True, False, True, True, True
    ]  # fmt: skip
    assert not any(b.kernel_transform for b in blocks.values() if isinstance(b, MBConv))


def test_the_head_is_that_of_mobilenet_v3() -> None:
    space = get_space("attentive_nas")
    blocks = space.blocks(compile_cost(space, Macs()).maximum().architecture)
    final, head = blocks["final"], blocks["head"]
    assert isinstance(final, Conv)
    assert isinstance(head, Head)
    assert (final.cin, final.cout, head.hidden, head.act) == (224, 6 * 224, 1984, "swish")
