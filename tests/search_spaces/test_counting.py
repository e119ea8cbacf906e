"""Counts of architectures by cost, against brute force."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictors import Macs, Params, compile_cost
from search_spaces import SearchSpace, get_space
from search_spaces.counting import count_at_most, count_within_ratio
from tests.random_spaces import PricedByKernel, every_row, prices, tree_spaces


def distinct(space: SearchSpace) -> np.ndarray:
    """One row for each network."""
    return space.unique(every_row(space))


@given(tree_spaces(), prices("sum"), st.integers(-60, 60))
def test_the_count_is_exact(space: SearchSpace, model: PricedByKernel, limit: int) -> None:
    cost = compile_cost(space, model)
    found = count_at_most(space, cost.tables, limit - cost.constant)
    assert found.exact
    assert found.low == int((cost(distinct(space)) <= limit).sum())


@given(tree_spaces(), prices("sum"), st.integers(-60, 60), st.sampled_from([1, 2, 5]))
def test_bounds_hold_the_truth(
    space: SearchSpace, model: PricedByKernel, limit: int, sums: int
) -> None:
    cost = compile_cost(space, model)
    found = count_at_most(space, cost.tables, limit - cost.constant, max_sums=sums)
    assert found.low <= int((cost(distinct(space)) <= limit).sum()) <= found.high


@given(
    tree_spaces(),
    st.fixed_dictionaries({1: st.floats(0.1, 9), 3: st.floats(0.1, 9), 5: st.floats(0.1, 9)}),
    st.floats(0, 40),
)
def test_costs_that_are_no_whole_numbers(
    space: SearchSpace, values: dict[int, float], limit: float
) -> None:
    cost = compile_cost(space, PricedByKernel(values))
    found = count_at_most(space, cost.tables, limit)
    costs = cost(distinct(space))
    assert found.low <= int((costs <= limit).sum()) + int((abs(costs - limit) < 1e-9).sum())
    assert found.high >= int((costs <= limit).sum()) - int((abs(costs - limit) < 1e-9).sum())
    assert found.high - found.low <= int((abs(costs - limit) < 1e-9).sum())


def test_a_ratio_of_two_costs_is_counted_exactly() -> None:
    space = get_space("mobile_small").restrict(
        {"kernel_*": [3], "depth_*": [1, 2], "expand_*": [2, 4], "resolution": [24, 32]}
    )
    macs, params = compile_cost(space, Macs()), compile_cost(space, Params())
    rows = distinct(space)
    ratio = [Fraction(int(a), int(b)) for a, b in zip(macs(rows), params(rows), strict=True)]
    edges = sorted(set(ratio))
    for low, high in ((edges[0], edges[-1]), (edges[7], edges[900]), (edges[9], edges[9])):
        found = count_within_ratio(space, macs.tables, params.tables, low=low, high=high)
        assert found.exact
        assert found.low == sum(low <= r <= high for r in ratio)


def test_everything_and_nothing() -> None:
    space = get_space("mobile_small")
    macs = compile_cost(space, Macs())
    assert count_at_most(space, macs.tables, macs.maximum().value).low == space.size
    assert count_at_most(space, macs.tables, macs.minimum().value - 1).high == 0
    low = count_at_most(space, macs.tables, macs.minimum().value)
    assert (low.low, low.exact) == (1, True)


def test_an_allowed_table_narrows_the_count() -> None:
    space = get_space("mobile_small")
    macs = compile_cost(space, Macs())
    cheap = macs.window(macs.minimum().value, 1.5e6)
    found = count_at_most(space, macs.tables, 1.5e6)
    assert found.exact
    assert np.exp(cheap.log_count) == pytest.approx(found.low, rel=0.1)
