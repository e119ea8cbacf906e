"""Draws inside a cost window: uniform over networks, to the edges, however few there are."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from search_spaces import Population, SearchSpace, SpaceBuilder
from search_spaces.blocks import Conv
from search_spaces.tables import evaluate
from search_spaces.trellis import Trellis
from search_spaces.windows import PathWindow, Window
from tests.random_spaces import every_row, prices, random_spaces

WINDOWS = st.tuples(st.integers(-60, 60), st.integers(0, 40))


def paths_of(space: SearchSpace, tables: list, low: float, high: float) -> PathWindow:
    """Count by paths even where the space is small enough to be enumerated."""
    steps, sizes = space.fold_steps
    trellis = Trellis([tables], allowed=[*space.canonical_tables, *steps], sizes=sizes)
    return PathWindow(trellis, weights=[1.0], low=low, high=high)


def within(space: SearchSpace, tables: list, low: float, high: float) -> Population:
    """Return every canonical architecture of the window, found by trying all."""
    rows = every_row(space)
    rows = rows[(space.canonical(rows) == rows).all(axis=1)]
    cost = evaluate(tables, space.variables(rows))
    return rows[(cost >= low) & (cost <= high)]


@settings(max_examples=100)
@given(st.data())
def test_all_of_the_window_is_drawn_and_nothing_far_from_it(data: st.DataObject) -> None:
    space = data.draw(random_spaces())
    tables = space.slot_tables(data.draw(prices("sum")))
    low, width = data.draw(WINDOWS)
    expected = within(space, tables, low, low + width)
    for window in (
        paths_of(space, tables, low, low + width),
        Window(space, tables, low=low, high=low + width),
    ):
        drawn = window.draw(2000, np.random.default_rng(0))[:, : len(space.choices)]
        costs = evaluate(tables, space.variables(drawn)) if len(drawn) else np.zeros(0)
        assert ((costs >= low - 0.1) & (costs <= low + width + 0.1)).all()
        assert len(drawn) == (2000 if len(expected) else 0)
        if len(expected):  # whole prices, far from the rounding of the grid
            assert window.log_count == pytest.approx(math.log(len(expected)))
        else:
            assert window.log_count == -math.inf
        if len(expected) <= 100:
            assert {tuple(row) for row in drawn.tolist()} == {tuple(r) for r in expected.tolist()}


def deep_space() -> tuple[SearchSpace, list]:
    """Return a space of tied slots, with depths, and prices without any grid."""
    builder = SpaceBuilder("deep")
    width = builder.choice("width", (8, 16))
    builder.slot("stem", reads=(width,), block=lambda w: Conv(3, w, 8, kernel=3))
    for stage in (1, 2):
        depth = builder.choice(f"depth_{stage}", (1, 2, 3))
        for b in range(3):
            kernel = builder.choice(f"kernel_{stage}_{b}", (1, 3, 5))
            builder.slot(
                f"stage{stage}.{b}",
                reads=(width, depth, kernel),
                block=lambda w, d, k, b=b: Conv(w, w, 8, kernel=k) if b < d else None,
            )
    space = builder.build()
    return space, space.slot_tables(lambda block: math.sqrt(block.cout) * block.kernel**1.37)


@pytest.mark.parametrize(("low", "high"), [(-1e9, 75.0), (60.0, 90.0), (140.0, 1e9)])
def test_draws_are_uniform_over_the_networks_of_the_window(low: float, high: float) -> None:
    space, tables = deep_space()
    expected = within(space, tables, low, high)
    rows = paths_of(space, tables, low, high).draw(200 * len(expected), np.random.default_rng(1))
    rows = rows[:, : len(space.choices)]
    costs = evaluate(tables, space.variables(rows))
    inside = rows[(costs >= low) & (costs <= high)]
    assert len(inside) > 0.9 * len(rows)
    found, counts = np.unique(inside, axis=0, return_counts=True)
    assert 50 < len(expected) == len(found) < space.size
    assert stats.chisquare(counts).pvalue > 1e-3


def test_a_window_nearer_to_the_largest_is_counted_from_there() -> None:
    space, tables = deep_space()
    costs = np.sort(evaluate(tables, space.variables(space.enumerated)))
    window = paths_of(space, tables, costs[-5] - 1e-9, math.inf)
    assert window.log_count == pytest.approx(math.log((costs >= costs[-5] - 1e-9).sum()))


def test_an_empty_window_is_proven_empty() -> None:
    space, tables = deep_space()
    costs = evaluate(tables, space.variables(space.enumerated))
    for low, high in ((costs.max() + 1, math.inf), (-math.inf, costs.min() - 1), (5.0, 4.0)):
        window = paths_of(space, tables, low, high)
        assert window.log_count == -math.inf
        assert len(window.draw(10, np.random.default_rng(0))) == 0
        assert (
            len(Window(space, tables, low=low, high=high).draw(3, np.random.default_rng(0))) == 0
        )
