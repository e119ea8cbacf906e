"""MCUNet's space: its size, its widths, and what its activations need."""

from __future__ import annotations

import numpy as np

from predictors import INT8_PEAK_MEMORY, Macs, compile_cost
from search_spaces import get_space
from search_spaces.blocks import MBConv
from search_spaces.mcunet import DEPTHS, EXPANSIONS, KERNELS


def _stages() -> int:
    """Return the networks of one width and resolution, by the closed form."""
    block = len(KERNELS) * len(EXPANSIONS)
    return sum(block**depth for depth in DEPTHS) ** 5 * block


def test_size_by_the_closed_form() -> None:
    assert get_space("mcunet", widths=[0.5], resolutions=[176]).size == _stages()
    assert get_space("mcunet").size == 9 * 12 * _stages()


def test_half_width_has_the_channels_of_the_published_networks() -> None:
    space = get_space("mcunet", widths=[0.5])
    blocks = [next(iter(space.slot_blocks(f"stage{s}.0"))) for s in range(1, 7)]
    assert [block.out_shape[0] for block in blocks] == [16, 24, 40, 48, 96, 160]
    assert all(
        block.mid % 8 == 0 for block in space.distinct_blocks() if isinstance(block, MBConv)
    )


def test_activations_of_a_chain_grow_with_resolution_and_width() -> None:
    space = get_space("mcunet")
    memory, macs = compile_cost(space, INT8_PEAK_MEMORY), compile_cost(space, Macs())
    assert memory.minimum().value == (8 + 3 * 8) * 24**2
    assert memory.maximum().value == (16 + 6 * 16) * 112**2
    rows = space.sample(500, np.random.default_rng(0))
    for column in (0, 1):
        larger = rows.copy()
        larger[:, column] = np.minimum(rows[:, column] + 1, space.option_counts[column] - 1)
        assert (memory(larger) >= memory(rows)).all()
        assert (macs(larger) >= macs(rows)).all()
