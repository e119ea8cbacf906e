"""Restricted spaces: fewer options, the same networks and ids, and exact fractions."""

from __future__ import annotations

import json
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from predictors import Macs, compile_cost
from search_spaces import SearchSpace, SpaceError, Supernet, described_space, get_space
from tests.random_spaces import every_row, networks, random_spaces, tree_spaces


def drawn_keep(data: st.DataObject, space: SearchSpace) -> dict[str, list[object]]:
    """Some options of each choice, at least one."""
    return {
        choice.name: data.draw(st.lists(st.sampled_from(choice.options), min_size=1, unique=True))
        for choice in space.choices
    }


@given(random_spaces(), st.data())
def test_architectures_keep_their_networks_and_ids(
    space: SearchSpace, data: st.DataObject
) -> None:
    part = space.restrict(drawn_keep(data, space))  # type: ignore[arg-type]
    rows = every_row(part)
    architectures = part.decode_all(rows)
    assert part.ids(rows) == [space.id_of(a) for a in architectures]
    assert networks(part, rows) == networks(space, space.encode_all(architectures))
    canonical = part.canonical(rows)
    assert networks(part, canonical) == networks(part, rows)
    assert np.array_equal(part.canonical(canonical), canonical)


@given(tree_spaces(), st.data())
def test_the_fraction_counts_different_networks(space: SearchSpace, data: st.DataObject) -> None:
    part = space.restrict(drawn_keep(data, space))  # type: ignore[arg-type]
    left, all_ = (len(set(networks(s, every_row(s)))) for s in (part, space))
    assert part.size == left
    assert part.fraction == Fraction(left, all_)
    assert part.whole is space


def test_keeping_everything_changes_nothing() -> None:
    space = get_space("mobile_small")
    same = space.restrict({})
    assert same.fingerprint == space.fingerprint
    assert same.fraction == 1
    part = space.restrict({"kernel_*": [5, 3]})
    assert part.fingerprint == space.fingerprint  # order and repetition do not count
    assert space.restrict({"kernel_*": [3]}).fingerprint != space.fingerprint


def test_a_later_pattern_counts() -> None:
    part = get_space("mobile_small").restrict({"kernel_*": [3], "kernel_1_0": [3, 5]})
    options = {choice.name: choice.options for choice in part.choices}
    assert options["kernel_1_0"] == (3, 5)
    assert options["kernel_1_1"] == (3,)


def test_a_part_of_a_part_is_of_the_whole() -> None:
    space = get_space("mobile_small")
    part = space.restrict({"kernel_*": [3]}).restrict({"depth_1": [1]})
    assert part.whole is space
    assert part.size == space.restrict({"kernel_*": [3], "depth_1": [1]}).size


def test_isomorphic_cells_keep_one_id_where_their_representative_is_gone() -> None:
    space = get_space("nasbench201", resolution=8, cells=1)
    edges = [choice.name for choice in space.choices]
    part = space.restrict({edges[0]: space.choices[0].options[2:], edges[3]: ["none"]})
    rows = part.enumerated
    assert part.size == len(rows) == len(set(part.ids(rows)))
    assert part.ids(rows) == [space.id_of(a) for a in part.decode_all(rows)]
    every = every_row(part)
    assert len(set(part.ids(every))) == part.size


def test_a_trained_supernet_serves_a_part_of_its_space() -> None:
    space = get_space("mobile_small", resolutions=(16,), channels=1)
    part = space.restrict({"kernel_*": [3], "width_3": [64]})
    supernet = Supernet(space).eval()
    architecture = compile_cost(part, Macs()).maximum().architecture
    with torch.no_grad():
        images = torch.randn(2, 1, 16, 16)
        assert torch.equal(supernet(images, architecture), supernet.subnet(architecture)(images))
    smaller = sum(p.numel() for p in Supernet(part).parameters())
    assert smaller < sum(p.numel() for p in supernet.parameters())


@pytest.mark.parametrize("keep", [{}, {"kernel_*": [3]}, {"resolution": [24, 32], "depth_1": [1]}])
def test_a_description_builds_the_space_again(keep: dict[str, list[int]]) -> None:
    part = get_space("mobile_small", classes=7).restrict({"expand_*": [3, 4]}).restrict(keep)
    description = json.loads(json.dumps(part.description))
    assert description["options"]["classes"] == 7
    again = described_space(description)
    assert again.fingerprint == part.fingerprint
    assert again.whole.fingerprint == part.whole.fingerprint
    assert again.description == part.description


def test_the_description_of_a_whole_space_keeps_nothing_back() -> None:
    space = get_space("mobile_small")
    assert space.kept == space.restrict({}).kept == {}
    assert space.description == space.restrict({"kernel_*": [3, 5]}).description
    assert set(space.description) == {"name", "options"}


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        ({"kernal_1_0": [3]}, "Did you mean 'kernel_1_0'"),
        ({"zzz_*": [3]}, "no such choice. Known: depth_1"),
        ({"kernel_*": [4]}, r"no option 4; allowed: \[3, 5\]"),
        ({"kernel_*": []}, "no option would be left"),
        ({"kernel_1_0": 3}, r"give a list of options, got 3; write \[3\]"),
    ],
)
def test_impossible_restrictions_are_refused(keep: dict[str, list[int]], message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        get_space("mobile_small").restrict(keep)


def test_holds_tells_what_is_of_the_space() -> None:
    space = get_space("mobile_small")
    part = space.restrict({"kernel_*": [3]})
    small, large = (compile_cost(space, Macs()).minimum(), compile_cost(space, Macs()).maximum())
    assert part.holds(small.architecture)
    assert not part.holds(large.architecture)
    assert not part.holds({"kernel_1_0": 3})
