"""Pareto fronts against brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nas.search import pareto_front

GRID = st.integers(-3, 3).map(float)
SPECIAL = st.sampled_from([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0])
POINTS = st.tuples(st.integers(0, 30), st.integers(1, 4)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=GRID | SPECIAL)
)


def signs(count: int) -> list[str]:
    return ["maximize" if i % 2 else "minimize" for i in range(count)]


def brute(values: np.ndarray, directions: list[str]) -> list[bool]:
    costs = values * [-1.0 if d == "maximize" else 1.0 for d in directions]
    usable = ~np.isnan(costs).any(axis=1)
    return [
        bool(usable[i])
        and not any(
            usable[j] and (other <= point).all() and (other < point).any()
            for j, other in enumerate(costs)
        )
        for i, point in enumerate(costs)
    ]


@given(POINTS)
def test_it_equals_brute_force(values: np.ndarray) -> None:
    directions = signs(values.shape[1])
    assert pareto_front(values, directions).tolist() == brute(values, directions)


@given(POINTS, st.randoms(use_true_random=False))
def test_the_order_of_points_does_not_matter(values: np.ndarray, random: object) -> None:
    directions = signs(values.shape[1])
    order = list(range(len(values)))
    random.shuffle(order)  # type: ignore[attr-defined]
    expected = pareto_front(values, directions)[order]
    assert pareto_front(values[order], directions).tolist() == expected.tolist()


@pytest.mark.parametrize("objectives", [1, 2, 3, 5])
def test_no_member_is_dominated_and_every_other_is(objectives: int) -> None:
    values = np.random.default_rng(0).random((2000, objectives))
    front = pareto_front(values, ["maximize"] * objectives)
    members = values[front]
    for point, inside in zip(values, front, strict=True):
        dominated = ((members >= point).all(axis=1) & (members > point).any(axis=1)).any()
        assert dominated == (not inside)


def test_a_large_front_fits_in_little_memory() -> None:
    angle = np.linspace(0, np.pi / 2, 200_000)
    values = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    assert pareto_front(values, ["maximize", "maximize"]).all()


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="one column for each direction"):
        pareto_front(np.zeros((3, 2)), ["maximize"])
