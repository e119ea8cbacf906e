"""Ensemble spaces: shared layers counted once, members without order, one supernet for both."""

from __future__ import annotations

from collections.abc import Hashable
from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from predictors import Macs, Params, PeakMemory, compile_cost
from search_spaces import (
    Architecture,
    Population,
    SearchSpace,
    SpaceBuilder,
    SpaceError,
    Supernet,
    described_space,
    get_space,
    list_spaces,
)
from search_spaces.blocks import Conv, Head
from search_spaces.ensemble import AVERAGE, SPLIT, EnsembleSpace
from search_spaces.splits import split_points
from tests.random_spaces import every_row

SMALL = {"resolutions": (16, 20), "channels": 1}


@pytest.fixture(scope="module")
def base() -> SearchSpace:
    return get_space("mobile_small", **SMALL)


@pytest.fixture(scope="module")
def pairs(base: SearchSpace) -> EnsembleSpace:
    return EnsembleSpace(base)


def tiny(widths: tuple[int, ...] = (4, 8), kernels: tuple[int, ...] = (1, 3)) -> SearchSpace:
    """A stem with a width, a block that reads it, a block that may be skipped, and a head."""
    builder = SpaceBuilder("tiny")
    w = builder.choice("width", widths)
    k = builder.choice("kernel", kernels)
    d = builder.choice("deep", (0, 1))
    last = builder.choice("last", kernels)
    builder.slot("stem", reads=(w,), block=lambda w: Conv(3, w, 8))
    builder.slot("body", reads=(w, k), block=lambda w, k: Conv(w, 4, 8, kernel=k))
    builder.slot(
        "more", reads=(d, last), block=lambda d, k: Conv(4, 4, 8, kernel=k) if d else None
    )
    builder.slot("head", block=lambda: Head(4, 10, 8))
    return builder.build()


def built(space: EnsembleSpace, architecture: Architecture) -> Hashable:
    """What an ensemble consists of, the slow way: the shared part and a bag of members."""
    blocks = space.blocks(architecture)
    members: dict[str, list[Hashable]] = {}
    shared = []
    for name, block in blocks.items():
        member, dot, slot = name.partition(".")
        if dot and member in ("m1", "m2", "m3"):
            members.setdefault(member, []).append((slot, block))
        else:
            shared.append((name, block))
    return tuple(shared), tuple(sorted((tuple(member) for member in members.values()), key=repr))


def permuted(space: EnsembleSpace, rows: Population, order: tuple[int, ...]) -> Population:
    """Rows whose members change places."""
    result = rows.copy()
    result[:, space._columns] = rows[:, space._columns[list(order)]]
    return result


@pytest.mark.parametrize("members", [2, 3])
def test_every_different_ensemble_is_counted_and_told_apart(members: int) -> None:
    space = EnsembleSpace(tiny(kernels=(1, 3)) if members == 2 else tiny((4,), (1, 3)), members)
    rows = every_row(space)
    known = {
        key: built(space, a)
        for key, a in zip(space.ids(rows), space.decode_all(rows), strict=True)
    }
    different = {built(space, a) for a in space.decode_all(rows)}
    assert len(different) == len(known) == space.size
    assert {built(space, a) for a in space.decode_all(space.enumerated)} == different
    assert len(space.enumerated) == space.size


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.sampled_from(list(permutations(range(3)))))
def test_members_have_no_order(seed: int, order: tuple[int, ...]) -> None:
    space = EnsembleSpace(tiny(), 3)
    rows = space.sample(30, np.random.default_rng(seed))
    other = permuted(space, rows, order)
    assert space.ids(rows) == space.ids(other)
    assert np.array_equal(space.canonical(rows), space.canonical(other))


def test_members_that_exchange_a_block_are_another_ensemble() -> None:
    space = EnsembleSpace(tiny())
    first = {SPLIT: "body", "width": 4, "m1.kernel": 1, "m2.kernel": 3}
    rest = {"m1.deep": 1, "m2.deep": 1, "kernel": 1, "deep": 0, "last": 1}
    names = {choice.name for choice in space.choices}

    def ensemble(own: int, other: int) -> Architecture:
        options = {**first, **rest, "m1.last": own, "m2.last": other, "m1.width": 4, "m2.width": 4}
        return Architecture({name: option for name, option in options.items() if name in names})

    assert space.id_of(ensemble(1, 3)) != space.id_of(ensemble(3, 1))


def test_costs_count_what_is_shared_once(base: SearchSpace, pairs: EnsembleSpace) -> None:
    rows = pairs.sample(40, np.random.default_rng(0))
    names = [slot.name for slot in base.slots]
    for model in (Macs(), Params(), PeakMemory()):
        own, whole = compile_cost(base, model), compile_cost(pairs, model)
        for architecture in pairs.decode_all(rows):
            parts = [own.breakdown(a) for a in pairs.member_architectures(architecture)]
            split = names.index(str(architecture[SPLIT]))
            shared = [parts[0][name] for name in names[:split]]
            rest = [part[name] for part in parts for name in names[split:]]
            if model.reduce == "sum":
                assert whole.of(architecture) == sum(shared) + sum(rest)
            else:
                assert whole.of(architecture) == max(*shared, *rest, *parts[0].values())
            assert [part[name] for name in names[:split] for part in parts[1:]] == shared


def test_the_supernet_is_that_of_the_base(base: SearchSpace, pairs: EnsembleSpace) -> None:
    alone, together = Supernet(base, seed=3).eval(), Supernet(pairs, seed=3).eval()
    weights = alone.state_dict()
    assert list(weights) == list(together.state_dict())
    assert all(torch.equal(weights[n], tensor) for n, tensor in together.state_dict().items())
    rows = pairs.sample(4, np.random.default_rng(1))
    for architecture in pairs.decode_all(rows):
        images = torch.randn(2, *pairs.input_shape_of(architecture))
        with torch.no_grad():
            said = [alone(images, a) for a in pairs.member_architectures(architecture)]
            expected = sum(said) / len(said)
            assert torch.allclose(together(images, architecture), expected, atol=1e-6)
            assert torch.allclose(together.subnet(architecture)(images), expected, atol=1e-6)


def test_what_is_shared_runs_once(base: SearchSpace, pairs: EnsembleSpace) -> None:
    architecture = compile_cost(pairs, Macs()).maximum().architecture.replace(split="stage3.0")
    subnet = Supernet(pairs).eval().subnet(architecture)
    ran: list[str] = []
    for name, module in subnet.blocks.named_children():
        module.register_forward_hook(lambda *_, name=name: ran.append(name))
    with torch.no_grad():
        subnet(torch.randn(1, *pairs.input_shape_of(architecture)))
    assert len(ran) == len(set(ran))
    assert ran[-1] == AVERAGE
    assert "stem" in ran
    assert not any(name.endswith("stem") for name in ran if name != "stem")
    assert {"m1_stage3_0", "m2_stage3_0"} <= set(ran)


@pytest.mark.parametrize("name", ["autoformer", "darts", "spos_shufflenet_v2"])
def test_spaces_with_folds_cells_and_isomorphisms(name: str) -> None:
    from tests.small_spaces import SMALL as OPTIONS

    base = get_space(name, **OPTIONS[name])
    space = EnsembleSpace(base)
    rows = space.sample(60, np.random.default_rng(2))
    assert np.array_equal(space.keys(rows), space.keys(space.canonical(rows)))
    assert space.ids(rows) == space.ids(permuted(space, rows, (1, 0)))
    macs, own = compile_cost(space, Macs()), compile_cost(base, Macs())
    largest = macs.maximum()
    assert largest.value <= 2 * own.maximum().value
    for architecture in space.decode_all(rows[:10]):
        both = [own.of(a) for a in space.member_architectures(architecture)]
        assert max(both) <= macs.of(architecture) <= sum(both)


def test_of_nasbench201_only_the_stem_is_shared() -> None:
    base = get_space("nasbench201", resolution=8, cells=1)
    size = base.size
    assert len(split_points(base)) == 2
    space = EnsembleSpace(base)
    assert space.size == 2 * size * (size + 1) // 2
    rows = space.sample(60, np.random.default_rng(2))
    assert np.array_equal(space.keys(rows), space.keys(space.canonical(rows)))
    assert space.ids(rows) == space.ids(permuted(space, rows, (1, 0)))
    part = space.restrict({base.choices[0].name: base.choices[0].options[2:]})
    some = part.sample(20, np.random.default_rng(4))
    assert part.ids(some) == [space.id_of(a) for a in part.decode_all(some)]


def test_it_is_a_space_by_name() -> None:
    space = get_space("ensemble", of="mobile_small", of_options=SMALL, members=3)
    assert isinstance(space, EnsembleSpace)
    assert space.members == 3
    same = EnsembleSpace(get_space("mobile_small", **SMALL), 3)
    assert same.fingerprint == space.fingerprint
    assert get_space("ensemble", **same.options).fingerprint == space.fingerprint


def test_restricted_by_the_names_of_the_base(base: SearchSpace, pairs: EnsembleSpace) -> None:
    keep = {"kernel_*": [3], SPLIT: ["stage2.0", "stage3.0"]}
    part = pairs.restrict(keep)
    assert part.whole is pairs
    assert 0 < part.fraction < 1
    architectures = part.decode_all(part.sample(50, np.random.default_rng(3)))
    assert [pairs.id_of(a) for a in architectures] == part.ids(part.encode_all(architectures))
    assert {a[SPLIT] for a in architectures} == {"stage2.0", "stage3.0"}
    assert {a["m2.kernel_3_2"] for a in architectures} == {3}
    assert described_space(part.description).fingerprint == part.fingerprint
    of_part = EnsembleSpace(base.restrict({"kernel_*": [3]}))
    assert of_part.whole.fingerprint == pairs.fingerprint
    assert described_space(of_part.description).fingerprint == of_part.fingerprint
    assert of_part.size == pairs.restrict({"kernel_*": [3]}).size


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"members": 5}, "2 to 4 members, got 5"),
        ({"members": 1}, "2 to 4 members, got 1"),
        ({"splits": ["stage3.9"]}, "cannot part at 'stage3.9'. Did you mean 'stage3"),
        ({"splits": ["head"]}, "cannot part at 'head'"),
        ({"of": "mobile_smal"}, "Did you mean 'mobile_small'"),
        ({"of_options": [1]}, "must be a table of options"),
        ({"of": "ensemble"}, "has a choice 'split'"),
    ],
)
def test_impossible_ensembles_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        get_space("ensemble", **options)


def test_impossible_restrictions_are_refused(pairs: EnsembleSpace) -> None:
    with pytest.raises(SpaceError, match="no split would be left"):
        pairs.restrict({SPLIT: []})
    with pytest.raises(SpaceError, match=r"Did you mean 'stage2\.0'"):
        pairs.restrict({SPLIT: ["stage2.00"]})
    with pytest.raises(SpaceError, match="Did you mean 'kernel_1_0'"):
        pairs.restrict({"m1.kernel_1_0": [3]})


def test_networks_in_which_nothing_differs_cannot_share() -> None:
    builder = SpaceBuilder("one")
    builder.slot("stem", block=lambda: Conv(3, 4, 8))
    builder.slot("head", block=lambda: Head(4, 10, 8))
    with pytest.raises(SpaceError, match="cannot share layers"):
        EnsembleSpace(builder.build())


@pytest.mark.parametrize("name", [name for name in list_spaces() if name != "ensemble"])
def test_every_space_can_be_the_base(name: str) -> None:
    from tests.small_spaces import SMALL as OPTIONS

    base = get_space(name, **OPTIONS.get(name, {}))
    space = EnsembleSpace(base)
    assert set(space.distinct_blocks()) == {*base.distinct_blocks(), space.slots[-1].block()}
    architectures = space.decode_all(space.sample(3, np.random.default_rng(5)))
    for architecture in architectures:
        shapes = {base.input_shape_of(a) for a in space.member_architectures(architecture)}
        assert shapes == {space.input_shape_of(architecture)}
