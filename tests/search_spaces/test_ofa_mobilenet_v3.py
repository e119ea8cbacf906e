"""Once-for-all's MobileNetV3 space against its published numbers."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from predictors import CostTable, Macs, Params, compile_cost
from search_spaces import SearchSpace, get_space
from search_spaces.ofa_mobilenet_v3 import DEPTHS

STAGES, BLOCKS = 5, max(DEPTHS)

# Cai et al. 2020; an independent count of the published supernets. Width, resolution,
# smallest and largest MACs in millions.
EXTREMES = [
    (1.0, 128, 41.476, 188.248),
    (1.0, 160, 63.241, 291.318),
    (1.0, 224, 121.279, 566.171),
    (1.2, 160, 100.321, 433.564),
    (1.2, 224, 193.078, 843.101),
]


@cache
def space(width: float, *resolutions: int) -> SearchSpace:
    return get_space("ofa_mobilenet_v3", width=width, resolutions=list(resolutions))


@cache
def costs(width: float, *resolutions: int) -> tuple[CostTable, CostTable]:
    built = space(width, *resolutions)
    return compile_cost(built, Macs()), compile_cost(built, Params())


def test_size_is_the_published_one() -> None:
    assert space(1.0, 224).size == 7371**5 == 21_758_655_492_572_485_851
    assert get_space("ofa_mobilenet_v3").size == 25 * 7371**5


@pytest.mark.parametrize(("width", "resolution", "smallest", "largest"), EXTREMES)
def test_extremes(width: float, resolution: int, smallest: float, largest: float) -> None:
    macs, _ = costs(width, resolution)
    assert round(macs.minimum().value / 1e6, 3) == smallest
    assert round(macs.maximum().value / 1e6, 3) == largest


@pytest.mark.parametrize(
    ("width", "smallest", "largest"), [(1.0, 3.4108, 7.6648), (1.2, 4.6025, 10.7016)]
)
def test_parameters_of_the_extremes(width: float, smallest: float, largest: float) -> None:
    macs, params = costs(width, 224)
    assert round(params.of(macs.minimum().architecture) / 1e6, 4) == smallest
    assert round(params.of(macs.maximum().architecture) / 1e6, 4) == largest


def test_the_smallest_and_largest_are_the_obvious_ones() -> None:
    macs, _ = costs(1.0, 128, 224)
    smallest, largest = macs.minimum().architecture, macs.maximum().architecture
    assert set(smallest.items()) >= {("resolution", 128), ("depth_1", 2), ("kernel_1_0", 3)}
    assert {v for k, v in largest.items() if k.startswith("kernel")} == {7}
    assert {v for k, v in largest.items() if k.startswith("expand")} == {6}
    assert {v for k, v in largest.items() if k.startswith("depth")} == {4}
    assert largest["resolution"] == 224


def test_skipped_blocks_do_not_matter() -> None:
    built = space(1.0, 224)
    rows = built.sample(500, np.random.default_rng(0))
    architectures = built.decode_all(rows)
    for subnet, inactive in zip(architectures, built.inactive(rows), strict=True):
        names = {c.name for c, off in zip(built.choices, inactive, strict=True) if off}
        assert names == {
            f"{what}_{s + 1}_{b}"
            for what in ("kernel", "expand")
            for s in range(STAGES)
            for b in range(int(subnet[f"depth_{s + 1}"]), BLOCKS)
        }
