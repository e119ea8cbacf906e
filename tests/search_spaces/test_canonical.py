"""Canonical form and exact size against enumeration."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from search_spaces import SearchSpace, SpaceBuilder
from search_spaces.blocks import Conv
from search_spaces.tables import evaluate
from tests.random_spaces import every_row, networks, random_spaces, tree_spaces


@given(random_spaces())
def test_canonical_form_is_final_and_keeps_every_network(space: SearchSpace) -> None:
    rows = every_row(space)
    canonical = space.canonical(rows)
    assert networks(space, canonical) == networks(space, rows)
    assert np.array_equal(space.canonical(canonical), canonical)
    assert canonical.dtype == np.int16


@given(random_spaces())
def test_size_counts_the_canonical_forms(space: SearchSpace) -> None:
    assert space.size == len(np.unique(space.canonical(every_row(space)), axis=0))
    assert space.size >= len(set(space.ids(every_row(space))))


@given(random_spaces())
def test_canonical_tables_are_true_on_canonical_rows_only(space: SearchSpace) -> None:
    rows = every_row(space)
    expected = (space.canonical(rows) == rows).all(axis=1)
    variables = space.variables(rows)
    found = np.ones(len(rows), dtype=bool)
    for table in space.canonical_tables:
        found &= evaluate([table], variables, dtype=np.bool_)
    assert np.array_equal(found, expected)


@given(tree_spaces())
def test_size_counts_the_networks_of_tree_like_spaces(space: SearchSpace) -> None:
    rows = every_row(space)
    assert space.size == len(set(space.ids(rows))) == len(set(networks(space, rows)))
    ids, forms = space.ids(rows), map(tuple, space.canonical(rows).tolist())
    pairs = set(zip(ids, forms, strict=True))
    assert len(pairs) == len({i for i, _ in pairs}) == len({form for _, form in pairs})


@given(random_spaces())
def test_inactive_choices_are_those_without_influence(space: SearchSpace) -> None:
    """Sound for every space; complete where no fold hides what a choice does."""
    rows = every_row(space)
    inactive = space.inactive(rows)
    keys = space.keys(rows)
    for column, count in enumerate(space.option_counts):
        without = np.full(len(rows), count > 1)
        for option in range(count):
            changed = rows.copy()
            changed[:, column] = option
            without &= space.keys(changed) == keys
        assert not (inactive[:, column] & ~without).any()
        if not space.folds:
            assert np.array_equal(inactive[:, column], without)


@given(random_spaces(folds=False))
def test_inactive_choices_have_their_first_option(space: SearchSpace) -> None:
    canonical = space.canonical(every_row(space))
    assert not canonical[space.inactive(canonical)].any()


@given(random_spaces(), st.integers(0, 3))
def test_rows_are_treated_alone(space: SearchSpace, seed: int) -> None:
    rows = space.sample(30, np.random.default_rng(seed))
    alone = np.concatenate([space.canonical(row[None]) for row in rows])
    assert np.array_equal(space.canonical(rows), alone)
    assert len(space.canonical(rows[:0])) == 0


def test_an_option_is_replaced_by_the_first_equal_one() -> None:
    """Depth 2 and 3 are the same where the third block is skipped by its operation."""
    builder = SpaceBuilder("skips")
    depth = builder.choice("depth", (1, 2, 3))
    op = builder.choice("op", ("conv", "skip"))
    builder.slot(
        "second", reads=(depth,), block=lambda d: Conv(4, 4, 8, kernel=3) if d > 1 else None
    )
    builder.slot(
        "third",
        reads=(depth, op),
        block=lambda d, o: Conv(4, 4, 8) if d > 2 and o == "conv" else None,
    )
    space = builder.build()
    rows = every_row(space)
    expected = [[0, 0], [0, 0], [1, 0], [1, 0], [2, 0], [1, 0]]
    assert space.canonical(rows).tolist() == expected
    assert space.size == 3


def test_two_choices_of_one_slot_that_only_together_make_a_block() -> None:
    builder = SpaceBuilder("products")
    width = builder.choice("width", (2, 4))
    scale = builder.choice("scale", (2, 1))
    builder.slot("conv", reads=(width, scale), block=lambda w, s: Conv(4, w * s, 8))
    space = builder.build()
    rows = np.array([[0, 0], [1, 1]], dtype=np.int16)  # 2 x 2 and 4 x 1 channels
    assert space.canonical(rows).tolist() == [[0, 0], [0, 0]]
    assert space.size == 3


def test_choices_that_switch_each_other_off() -> None:
    builder = SpaceBuilder("either")
    first = builder.choice("first", ("on", "off"))
    second = builder.choice("second", ("on", "off"))
    builder.slot(
        "both",
        reads=(first, second),
        block=lambda a, b: Conv(4, 4, 8) if a == b == "on" else None,
    )
    space = builder.build()
    assert space.canonical(every_row(space)).tolist() == [[0, 0], [0, 1], [0, 1], [0, 1]]
    assert space.size == 2


def test_rules_that_read_each_other_are_applied_until_nothing_changes() -> None:
    """Each choice is read by a slot of its own besides, so that they are different units."""
    builder = SpaceBuilder("circle")
    a, b = builder.choice("a", (0, 1)), builder.choice("b", (0, 1))
    c = builder.choice("c", (0, 1))
    table = {(0, 0): 1, (0, 1): 3, (1, 0): 1, (1, 1): 1}
    builder.slot("ab", reads=(a, b), block=lambda a, b: Conv(4, 4, 8, kernel=table[a, b]))
    builder.slot(
        "ac", reads=(a, c), block=lambda a, c: Conv(4, 4, 8, kernel=1 + 2 * a) if c else None
    )
    space = builder.build()
    row = np.array([[1, 1, 0]], dtype=np.int16)
    assert space.canonical(row).tolist() == [[0, 0, 0]]


def test_one_network_can_have_two_canonical_forms() -> None:
    """The limit of the form: choices of different units that only together make a block.

    The ids are equal all the same, and `unique` goes by them.
    """
    builder = SpaceBuilder("twins")
    a, b = builder.choice("a", (0, 1)), builder.choice("b", (0, 1))
    c = builder.choice("c", (0, 1))
    table = {(0, 0): 1, (0, 1): 3, (1, 0): 3, (1, 1): 5}
    builder.slot("ab", reads=(a, b), block=lambda a, b: Conv(4, 4, 8, kernel=table[a, b]))
    builder.slot(
        "ac", reads=(a, c), block=lambda a, c: Conv(4, 4, 8, kernel=1 + 2 * a) if c else None
    )
    space = builder.build()
    twins = np.array([[0, 1, 0], [1, 0, 0]], dtype=np.int16)
    assert np.array_equal(space.canonical(twins), twins)
    assert len(set(space.ids(twins))) == 1
    assert space.unique(twins).tolist() == [[0, 1, 0]]
    assert space.size == len(set(space.ids(every_row(space)))) + 1


def test_a_choice_nobody_reads_counts_once() -> None:
    builder = SpaceBuilder("unread")
    builder.choice("nothing", ("a", "b", "c"))
    kernel = builder.choice("kernel", (1, 3))
    builder.slot("conv", reads=(kernel,), block=lambda k: Conv(4, 4, 8, kernel=k))
    space = builder.build()
    assert space.size == 2
    assert space.canonical(np.array([[2, 1]], dtype=np.int16)).tolist() == [[0, 1]]


def test_folded_choices_are_inactive_where_no_slot_reads_the_fold() -> None:
    """Heads of a layer beyond the depth: read through a fold, and without influence."""
    builder = SpaceBuilder("heads")
    depth = builder.choice("depth", (1, 2))
    heads = [builder.choice(f"head_{h}", ("softmax", "relu")) for h in range(3)]
    kinds = builder.fold(
        "kinds",
        reads=heads,
        states=("softmax", "relu", "both", "none"),
        initial="none",
        step=lambda state, head: head if state in ("none", head) else "both",
    )
    builder.slot("stem", reads=(depth,), block=lambda d: Conv(4, 4, 8, kernel=2 * d - 1))
    kernels = {"softmax": 1, "relu": 3, "both": 5, "none": 7}
    builder.slot(
        "layer",
        reads=(depth, kinds),
        block=lambda d, k: Conv(4, 4, 8, kernel=kernels[k]) if d == 2 else None,
    )
    space = builder.build()
    rows = every_row(space)
    shallow = rows[:, 0] == 0
    assert not space.canonical(rows)[shallow, 1:].any()
    assert space.inactive(rows)[shallow, 1:].all()
    assert not space.inactive(rows)[~shallow, 1:].any()
    assert space.size == 1 + 2**3


def test_a_choice_that_matters_for_some_states_of_a_fold_only() -> None:
    builder = SpaceBuilder("approximation")
    heads = [builder.choice(f"head_{h}", ("exact", "cheap")) for h in range(2)]
    degree = builder.choice("degree", (1, 3))
    any_cheap = builder.fold(
        "any_cheap",
        reads=heads,
        states=(False, True),
        initial=False,
        step=lambda state, head: bool(state) or head == "cheap",
    )
    for head in heads:
        builder.slot(head, reads=(head,), block=lambda h: Conv(4, 4, 8) if h == "cheap" else None)
    builder.slot(
        "layer",
        reads=(any_cheap, degree),
        block=lambda cheap, d: Conv(4, 4, 8, kernel=d if cheap else 5),
    )
    space = builder.build()
    assert space.canonical(np.array([[0, 0, 1]], dtype=np.int16)).tolist() == [[0, 0, 0]]
    assert space.canonical(np.array([[0, 1, 1]], dtype=np.int16)).tolist() == [[0, 1, 1]]
    assert space.size == 1 + 3 * 2 == len(set(space.ids(every_row(space))))


def test_a_replaced_choice_moves_its_fold() -> None:
    """Replacing the head changes the state under which the degree is judged."""
    builder = SpaceBuilder("moved")
    head = builder.choice("head", (0, 1))
    degree = builder.choice("degree", (0, 1))
    builder.fold("state", reads=(head,), states=(0, 1), initial=0, step=max)
    builder.slot(
        "layer",
        reads=("state", degree),
        block=lambda s, d: Conv(4, 4, 8, kernel=1 if s == d == 0 else 3),
    )
    space = builder.build()
    rows = every_row(space)
    assert networks(space, space.canonical(rows)) == networks(space, rows)
    assert space.canonical(rows).tolist() == [[0, 0], [0, 1], [1, 0], [0, 1]]


def test_choices_with_very_many_options() -> None:
    builder = SpaceBuilder("many")
    size = builder.choice("size", range(1, 301))
    builder.slot("conv", reads=(size,), block=lambda s: Conv(4, 8 * ((s + 7) // 8), 8))
    space = builder.build()
    assert space.size == 38
    rows = np.arange(300, dtype=np.int16)[:, None]
    assert np.array_equal(space.canonical(rows), rows // 8 * 8)


def test_a_space_without_choices_is_one_network() -> None:
    builder = SpaceBuilder("fixed")
    builder.slot("conv", block=lambda: Conv(4, 4, 8))
    space = builder.build()
    assert space.size == 1
    rows = space.sample(5, np.random.default_rng(0))
    assert rows.shape == (5, 0)
    assert len(space.unique(rows)) == 1
