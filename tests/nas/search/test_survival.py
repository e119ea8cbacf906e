"""Environmental selection against brute force and against fronts whose spread is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nas.search import pareto_front
from nas.search.survival import (
    crowding_distance,
    nondominated_ranks,
    reference_directions,
    survive_by_crowding,
    survive_by_niches,
)

POINTS = st.tuples(st.integers(1, 25), st.integers(1, 4)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.integers(-3, 3).map(float))
)
SURVIVE = pytest.mark.parametrize("survive", [survive_by_crowding, survive_by_niches])


@given(POINTS)
def test_ranks_are_the_fronts_peeled_off_one_by_one(gains: np.ndarray) -> None:
    left, expected = np.arange(len(gains)), np.empty(len(gains), dtype=int)
    rank = 0
    while len(left):
        front = pareto_front(gains[left], ["maximize"] * gains.shape[1])
        expected[left[front]] = rank
        left, rank = left[~front], rank + 1
    assert nondominated_ranks(gains).tolist() == expected.tolist()


@SURVIVE
@given(gains=POINTS, size=st.integers(1, 30))
def test_survivors_are_of_the_first_fronts(survive: object, gains: np.ndarray, size: int) -> None:
    kept = survive(gains, size)  # type: ignore[operator]
    assert len(kept) == len(set(kept.tolist())) == min(size, len(gains))
    ranks = nondominated_ranks(gains)
    assert sorted(ranks[kept]) == sorted(ranks)[: len(kept)]


def test_crowding_is_the_perimeter_to_the_neighbours() -> None:
    gains = np.array([[0.0, 4.0], [1.0, 3.0], [3.0, 1.0], [4.0, 0.0]])
    assert crowding_distance(gains).tolist() == [np.inf, 1.5, 1.5, np.inf]
    assert crowding_distance(np.ones((3, 2))).tolist() == [np.inf, 0.0, np.inf]


def test_crowding_keeps_the_ends_and_drops_the_crowd() -> None:
    x = np.array([0.0, 0.5, 0.51, 0.52, 1.0])
    kept = survive_by_crowding(np.stack([x, 1 - x], axis=1), 4)
    assert {0, 4} < set(kept.tolist())
    assert 2 not in kept


@pytest.mark.parametrize(("objectives", "size", "points"), [(1, 9, 1), (2, 10, 10), (3, 92, 91)])
def test_reference_directions_are_even(objectives: int, size: int, points: int) -> None:
    directions = reference_directions(objectives, size)
    assert directions.shape == (points, objectives)
    np.testing.assert_allclose(directions.sum(axis=1), 1.0)
    assert (directions >= 0).all()
    assert len(np.unique(directions, axis=0)) == points


def test_niches_spread_survivors_where_points_crowd() -> None:
    rng = np.random.default_rng(0)
    crowd = 0.6 + 0.01 * rng.random((300, 3))
    spread = rng.dirichlet(np.ones(3), size=60) ** 0.5
    gains = -np.concatenate([crowd / np.linalg.norm(crowd, axis=1, keepdims=True), spread])
    gains[:, 0] *= 1000  # units differ
    kept = survive_by_niches(gains, 40)
    assert (kept >= 300).sum() >= 30
