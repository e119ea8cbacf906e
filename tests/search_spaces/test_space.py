"""SearchSpace: sampling, operators, encodings; see test_canonical for identity of networks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces import Architecture, SearchSpace, SpaceBuilder, SpaceError, get_space
from search_spaces.blocks import Conv, Head
from tests.random_spaces import every_row, networks, random_spaces

SEEDS = st.integers(0, 2**32 - 1)


def stages() -> SearchSpace:
    builder = SpaceBuilder("stages")
    r = builder.choice("resolution", (8, 16))
    d = builder.choice("depth", (1, 2))
    k = builder.choice("kernel", (3, 5))
    builder.slot("stem", reads=(r,), block=lambda r: Conv(3, 4, r, kernel=3))
    builder.slot(
        "body", reads=(r, d, k), block=lambda r, d, k: Conv(4, 4, r, kernel=k) if d > 1 else None
    )
    builder.slot("head", reads=(r,), block=lambda r: Head(4, 10, r))
    return builder.build()


# sampling and operators


def test_samples_are_uniform() -> None:
    """Chi-square of every choice and of every pair of two choices, at 1 in 10,000."""
    space = get_space("mobile_small")
    n = 20_000
    population = space.sample(n, np.random.default_rng(0))
    for column, options in enumerate(space.option_counts):
        joint = population[:, column]
        cells = int(options)
        if column:
            joint = joint + options * population[:, column - 1]
            cells *= int(space.option_counts[column - 1])
        observed = np.bincount(joint, minlength=cells)
        assert len(observed) == cells
        chi_square = float(((observed - n / cells) ** 2 / (n / cells)).sum())
        assert chi_square < critical(cells - 1), space.choices[column].name


def critical(freedom: int) -> float:
    """The 1 - 1e-4 quantile of chi-square (Wilson and Hilferty 1931)."""
    return freedom * (1 - 2 / (9 * freedom) + 3.719 * (2 / (9 * freedom)) ** 0.5) ** 3


def test_the_generator_alone_decides_the_sample() -> None:
    space = stages()
    first, second = (space.sample(50, np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, space.sample(50, np.random.default_rng(4)))


@given(random_spaces(), SEEDS, st.sampled_from([0.0, 0.1, 1.0]))
def test_operators_are_closed(space: SearchSpace, seed: int, probability: float) -> None:
    rng = np.random.default_rng(seed)
    first, second = space.sample(40, rng), space.sample(40, rng)
    mutated = space.mutate(first, rng, probability=probability)
    crossed = space.crossover(first, second, rng)
    for result in (first, mutated, crossed):
        assert result.dtype == np.int16
        assert ((result >= 0) & (result < space.option_counts)).all()
    assert ((crossed == first) | (crossed == second)).all()
    if probability == 0:
        assert np.array_equal(mutated, first)


def test_mutation_redraws_each_choice_with_its_probability() -> None:
    space = get_space("spos_shufflenet_v2")
    rng = np.random.default_rng(0)
    parents = space.sample(5000, rng)
    changed = (space.mutate(parents, rng, probability=0.4) != parents).mean(axis=0)
    assert np.abs(changed - 0.4 * 3 / 4).max() < 0.03  # a redraw keeps one option in four


def test_crossover_takes_each_choice_from_either_parent() -> None:
    space = get_space("spos_shufflenet_v2")
    rng = np.random.default_rng(0)
    first = np.zeros((5000, 20), dtype=np.int16)
    from_second = space.crossover(first, first + 1, rng).mean(axis=0)
    assert np.abs(from_second - 0.5).max() < 0.04


@given(random_spaces(), SEEDS)
def test_neighbours(space: SearchSpace, seed: int) -> None:
    """All different networks that one changed choice of the canonical form makes."""
    row = space.canonical(space.sample(1, np.random.default_rng(seed)))
    neighbours = space.neighbours(space.decode(row[0]))
    distance = (every_row(space) != row).sum(axis=1)
    expected = set(space.ids(every_row(space)[distance == 1])) - set(space.ids(row))
    ids = space.ids(neighbours)
    assert len(set(ids)) == len(ids)
    assert set(ids) == expected
    assert np.array_equal(space.canonical(neighbours), neighbours)


def test_neighbours_of_a_shallow_network() -> None:
    space = stages()
    shallow = space.decode([0, 0, 1])
    assert space.neighbours(shallow).tolist() == [[1, 0, 0], [0, 1, 0]]


@given(random_spaces(), SEEDS)
def test_unique_keeps_the_first_occurrence(space: SearchSpace, seed: int) -> None:
    population = space.sample(60, np.random.default_rng(seed))
    seen, expected = set(), []
    for row, network in zip(population, networks(space, population), strict=True):
        if network not in seen:
            seen.add(network)
            expected.append(space.canonical(row[None])[0].tolist())
    assert space.unique(population).tolist() == expected


# encoding


@given(random_spaces(), SEEDS)
def test_encoding_round_trip(space: SearchSpace, seed: int) -> None:
    population = space.sample(20, np.random.default_rng(seed))
    architectures = space.decode_all(population)
    assert np.array_equal(space.encode_all(architectures), population)
    for architecture, row in zip(architectures, population, strict=True):
        assert space.decode(space.encode(architecture)) == architecture
        assert space.encode(architecture).dtype == np.int16
        assert np.array_equal(space.encode(architecture), row)
        again = Architecture.from_json(architecture.to_json())
        assert space.id_of(again) == space.id_of(architecture)


def test_no_architectures_make_an_empty_population() -> None:
    space = stages()
    empty = space.encode_all([])
    assert empty.shape == (0, 3)
    assert empty.dtype == np.int16
    for operation in (space.canonical, space.unique, space.ids, space.keys, space.one_hot):
        assert len(operation(empty)) == 0
    assert space.decode_all(empty) == []


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        ({"resolution": 8, "depth": 1}, "lacks the choice 'kernel'.*allowed: .3, 5."),
        ({"resolution": 8, "depth": 1, "kernel": 4}, "'kernel' has no option 4; allowed: .3, 5."),
        ({"resolution": 8, "depth": 1, "kernal": 3}, "no choice 'kernal'. Did you mean 'kernel'"),
        ({"resolution": 8, "depth": "1", "kernel": 3}, "'depth' has no option '1'"),
    ],
)
def test_foreign_architectures_are_refused(architecture: dict, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        stages().encode(Architecture(architecture))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([0, 0], "has 3 indices, got 2"),
        ([0, 0, 2], "'kernel' has the indices 0 to 1, got 2"),
        ([0, -1, 0], "'depth' has the indices 0 to 1, got -1"),
    ],
)
def test_foreign_rows_are_refused(row: list[int], message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        stages().decode(row)


@pytest.mark.parametrize("shape", [(3,), (5, 2), (5, 4)])
def test_populations_of_another_space_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(SpaceError, match=r"'stages' is an int array \[n, 3\], got the shape"):
        stages().canonical(np.zeros(shape, dtype=np.int16))


@given(random_spaces(), SEEDS)
def test_one_hot_rows(space: SearchSpace, seed: int) -> None:
    population = space.sample(20, np.random.default_rng(seed))
    features = space.one_hot(population)
    assert features.dtype == np.float32
    canonical = space.canonical(population)
    inactive = space.inactive(canonical)
    start = 0
    for column, count in enumerate(space.option_counts):
        part = features[:, start : start + count]
        expected = np.eye(count, dtype=np.float32)[canonical[:, column]]
        assert np.array_equal(part, np.where(inactive[:, column, None], 0, expected))
        start += count
    assert start == features.shape[1]


def test_inactive_choices_are_all_zero() -> None:
    rows = np.array([[0, 0, 1], [1, 1, 1]], dtype=np.int16)
    assert stages().one_hot(rows).tolist() == [[1, 0, 1, 0, 0, 0], [0, 1, 0, 1, 0, 1]]


# blocks


def test_blocks_of_an_architecture() -> None:
    space = stages()
    shallow, deep = space.decode([0, 0, 1]), space.decode([1, 1, 1])
    assert space.blocks(shallow) == {
        "stem": Conv(3, 4, 8, kernel=3),
        "body": None,
        "head": Head(4, 10, 8),
    }
    assert space.blocks(deep)["body"] == Conv(4, 4, 16, kernel=5)
    assert (space.resolution_of(shallow), space.resolution_of(deep)) == (8, 16)
    assert space.input_shape_of(deep) == (3, 16, 16)


def test_blocks_of_slots() -> None:
    space = stages()
    assert len(space.slot_blocks("body")) == 4
    assert set(space.distinct_blocks()) == {
        block for slot in space.slots for block in space.slot_blocks(slot.name)
    }
    assert len(space.distinct_blocks()) == 8
    with pytest.raises(SpaceError, match="Did you mean 'body'"):
        space.slot_blocks("boddy")


def test_a_network_of_nothing_has_no_input() -> None:
    builder = SpaceBuilder("nothing")
    builder.slot("slot", block=lambda: None)
    space = builder.build()
    with pytest.raises(SpaceError, match="Every slot"):
        space.input_shape_of(space.decode([]))


def test_repr_tells_what_it_is() -> None:
    assert repr(stages()) == "SearchSpace('stages', 3 choices, 3 slots)"
