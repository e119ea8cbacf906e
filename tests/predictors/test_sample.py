"""Drawing by cost: exact edges, tiny windows of huge spaces, sums and maxima, clear refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictors import Macs, PeakMemory, TableError, compile_cost
from search_spaces import SearchSpace, get_space
from tests.random_spaces import PricedByKernel, every_row, prices, random_spaces


@given(random_spaces(), st.sampled_from(["sum", "max"]).flatmap(prices), st.integers(-30, 30))
def test_what_is_drawn_is_the_window_to_its_edges(
    space: SearchSpace, model: PricedByKernel, low: int
) -> None:
    table = compile_cost(space, model)
    rows = space.canonical(every_row(space))
    costs = table(rows)
    inside = {tuple(row) for row in rows[(costs >= low) & (costs <= low + 10)].tolist()}
    if not inside:
        with pytest.raises(TableError, match="widen the window"):
            table.sample(5, low=low, high=low + 10, rng=np.random.default_rng(0))
        return
    drawn = table.sample(1500, low=low, high=low + 10, rng=np.random.default_rng(0))
    assert drawn.shape == (1500, len(space.choices))
    assert {tuple(row) for row in drawn.tolist()} <= inside
    if len(inside) <= 50:
        assert {tuple(row) for row in drawn.tolist()} == inside


def test_one_architecture_in_a_billion_is_drawn_at_once() -> None:
    macs = compile_cost(get_space("ofa_mobilenet_v3"), Macs())
    high = 130e6  # one network in 3e14
    rows = macs.sample(2000, high=high, rng=np.random.default_rng(0))
    assert macs(rows).max() <= high
    assert np.median(macs(rows)) > (macs.minimum().value + high) / 2  # most are large
    assert len(np.unique(rows, axis=0)) == 2000


def test_a_window_of_a_huge_space_is_drawn_like_rejected_uniform_networks() -> None:
    space = get_space("spos_shufflenet_v2")  # every row of it is canonical
    macs = compile_cost(space, Macs())
    low, high = 320e6, 330e6
    drawn = macs.sample(30_000, low=low, high=high, rng=np.random.default_rng(0))
    rows = space.sample(150_000, np.random.default_rng(1))
    rows = rows[(macs(rows) >= low) & (macs(rows) <= high)]
    assert len(rows) > 5000
    for column in range(len(space.choices)):
        for option in range(4):
            one, other = (drawn[:, column] == option).mean(), (rows[:, column] == option).mean()
            assert abs(one - other) < 5 * math.sqrt(0.25 * (1 / len(drawn) + 1 / len(rows)))


def test_a_limit_on_a_maximum_is_drawn_without_rejection() -> None:
    space = get_space("mobile_small")
    peak = compile_cost(space, PeakMemory())
    limit = peak.minimum().value
    rows = peak.sample(500, high=limit, rng=np.random.default_rng(0))
    assert (peak(rows) == limit).all()


def test_the_same_generator_draws_the_same() -> None:
    macs = compile_cost(get_space("mobile_small"), Macs())
    first, second = (
        macs.sample(20, low=3e6, high=4e6, rng=np.random.default_rng(7)) for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)
