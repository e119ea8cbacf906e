"""Once-for-all's MobileNetV3 space against its published numbers."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from predictors import CostTable, Macs, Params, compile_cost
from search_spaces import Architecture, SearchSpace, get_space
from search_spaces.ofa_mobilenet_v3 import DEPTHS

STAGES, BLOCKS = 5, max(DEPTHS)
PUBLISHED_RESOLUTIONS = tuple(range(128, 261, 4))

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


def architecture(resolution: int, config: dict[str, list[Any]]) -> Architecture:
    """Translate once-for-all's net.config; blocks beyond a stage's depth get any option."""
    options: dict[str, Any] = {"resolution": resolution}
    for s in range(STAGES):
        kernels, expansions = config["kernel_size"][s], config["expand_ratio"][s]
        options[f"depth_{s + 1}"] = config["depth"][s]
        for b in range(BLOCKS):
            options[f"kernel_{s + 1}_{b}"] = kernels[b] if b < len(kernels) else 3
            options[f"expand_{s + 1}_{b}"] = expansions[b] if b < len(expansions) else 3
    return Architecture(options)


def test_published_subnets(shared_data: Path) -> None:
    """README's MACs to 1 M and parameters to 0.06 M, and an independent count to its digits."""
    published = json.loads((shared_data / "once_for_all_published.json").read_text())
    nets = [n for n in published["ofa_specialized"] if n["supernet"].startswith("ofa_mbv3")]
    assert len(nets) == 10
    for net in nets:
        width = float(net["supernet"].removeprefix("ofa_mbv3_w"))
        macs, params = costs(width, *PUBLISHED_RESOLUTIONS)
        subnet = architecture(net["resolution"], net["config"])
        found_macs, found_params = macs.of(subnet) / 1e6, params.of(subnet) / 1e6
        assert found_macs == pytest.approx(net["computed"]["macs_M"], abs=6e-4), net["name"]
        assert found_params == pytest.approx(net["computed"]["params_M"], abs=6e-5), net["name"]
        assert found_macs == pytest.approx(net["published"]["macs_M"], abs=1.0), net["name"]
        assert found_params == pytest.approx(net["published"]["params_M"], abs=0.06), net["name"]


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
