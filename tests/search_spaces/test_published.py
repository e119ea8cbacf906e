"""Every published subnet has, in the space of this package, the counts its authors print."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from predictors import CostTable, Macs, Params, compile_cost
from search_spaces import get_space
from search_spaces.published import PublishedSubnet, published_subnets


@cache
def _costs(space: str, options: str) -> tuple[CostTable, CostTable]:
    built = get_space(space, **json.loads(options))
    return compile_cost(built, Macs()), compile_cost(built, Params())


def counts(subnet: PublishedSubnet) -> tuple[float, float]:
    """Return our MACs and parameters."""
    macs, params = _costs(subnet.space, json.dumps(dict(subnet.options)))
    return macs.of(subnet.architecture), params.of(subnet.architecture)


@pytest.mark.parametrize("subnet", published_subnets(), ids=lambda subnet: subnet.name)
def test_counts_are_the_published_ones(subnet: PublishedSubnet) -> None:
    macs, params = counts(subnet)
    assert macs == pytest.approx(subnet.macs, rel=0, abs=subnet.macs_within)
    if subnet.params is not None:
        assert params == pytest.approx(subnet.params, rel=0, abs=subnet.params_within)
    assert subnet.source


def test_names_are_different() -> None:
    names = [(subnet.space, subnet.name) for subnet in published_subnets()]
    assert len(set(names)) == len(names)


def by_name(space: str) -> dict[str, PublishedSubnet]:
    return {s.name: s for s in published_subnets() if s.space.startswith(space)}


def check_computed(subnet: PublishedSubnet, entry: dict[str, Any]) -> None:
    """Compare with the digits of an independent count."""
    macs, params = counts(subnet)
    assert round(macs / 1e6, 3) == pytest.approx(entry["computed"]["macs_M"], abs=6e-3)
    assert round(params / 1e6, 4) == pytest.approx(entry["computed"]["params_M"], abs=6e-4)


def test_once_for_all_against_an_independent_count(shared_data: Path) -> None:
    """Ours to a thousandth of a million; the published numbers in the list are the file's."""
    entries = json.loads((shared_data / "once_for_all_published.json").read_text())
    subnets = by_name("ofa_")
    assert {entry["name"] for entry in entries["ofa_specialized"]} <= set(subnets)
    for entry in entries["ofa_specialized"]:
        subnet = subnets[entry["name"]]
        check_computed(subnet, entry)
        assert subnet.macs == entry["published"]["macs_M"] * 1e6
        assert subnet.params == entry["published"]["params_M"] * 1e6


def test_attentive_nas_against_an_independent_count(shared_data: Path) -> None:
    entries = json.loads((shared_data / "once_for_all_published.json").read_text())
    subnets = by_name("attentive_nas")
    assert {entry["name"].lower() for entry in entries["attentivenas"]} == {
        name.lower() for name in subnets
    }
    for entry in entries["attentivenas"]:
        subnet = next(s for name, s in subnets.items() if name.lower() == entry["name"].lower())
        check_computed(subnet, entry)
        assert subnet.macs == entry["published"]["macs_M"] * 1e6
