"""ViT-ResNAS's spaces against their published numbers."""

from __future__ import annotations

import pytest

from predictors import Macs, Params, compile_cost
from search_spaces import SpaceError, get_space


@pytest.mark.parametrize(
    ("size", "networks", "largest"),
    [("tiny", 5**3 * (28**3 * 29**3) ** 3, 3.50), ("small", 5**3 * (28**4 * 29**3) ** 3, 6.26)],
)
def test_size_and_largest_network(size: str, networks: int, largest: float) -> None:
    """G multiply-accumulates of the supernets by the published estimator."""
    space = get_space("vit_resnas", size=size)
    assert space.size == networks
    assert round(compile_cost(space, Macs()).maximum().value / 1e9, 2) == largest


def test_a_layer_left_out_makes_its_choices_idle_and_the_tokens_pass() -> None:
    space = get_space("vit_resnas")
    short = space.decode([0] * len(space.choices))
    assert short["layer_2_3"] == "no"
    assert space.id_of({**short, "heads_2_3": 12}) == space.id_of(short)
    assert space.id_of({**short, "layer_2_3": "yes"}) != space.id_of(short)
    assert space.id_of({**short, "heads_2_2": 12}) != space.id_of(short)


def test_tokens_shrink_and_widths_belong_to_stages() -> None:
    space = get_space("vit_resnas")
    blocks = space.blocks(space.decode([0] * len(space.choices)))
    shapes = [blocks[name].in_shape for name in ("stage1.0", "stage2.0", "stage3.0", "head")]
    assert shapes == [(257, 160), (65, 320), (17, 640), (17, 640)]


def test_a_width_multiplier_shrinks_all_but_the_numbers_of_heads() -> None:
    space = get_space("vit_resnas", width=0.25, resolution=64, patch=4, classes=10)
    block = space.blocks(space.decode([0] * len(space.choices)))["stage1.0"]
    assert (block.cin, block.heads, block.head_dim, block.mid) == (40, 3, 8, 96)
    assert compile_cost(space, Params()).minimum().value < 2e6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": "tinny"}, "no ViT-ResNAS space of size 'tinny'.*'tiny'"),
        ({"patch": 7}, "patch must be even, got 7"),
        ({"resolution": 100}, "Patches of 7 pixels do not tile an image of 50 x 50"),
        ({"width": 0.0}, "width must be above zero"),
    ],
)
def test_bad_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        get_space("vit_resnas", **options)
