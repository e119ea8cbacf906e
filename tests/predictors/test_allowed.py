"""Filters on slots in exact answers: limits on maxima, and other tables of bool."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predictors import TableError, compile_cost
from predictors.cost import any_allowed, weighted_minimum
from search_spaces import SpaceBuilder
from search_spaces.blocks import Conv
from search_spaces.tables import Table
from tests.random_spaces import PricedByKernel, every_row, prices, random_spaces


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_minima_within_a_limit_on_a_maximum_agree_with_enumeration(data: st.DataObject) -> None:
    space = data.draw(random_spaces())
    sums = [compile_cost(space, data.draw(prices("sum"))) for _ in range(2)]
    peak = compile_cost(space, data.draw(prices("max")))
    limit = data.draw(st.integers(-25, 25))
    weights = [data.draw(st.integers(0, 4)), data.draw(st.integers(0, 4))]
    rows = every_row(space)
    within = peak(rows) <= limit
    tables = peak.within(limit)
    found = weighted_minimum(sums, weights, allowed=tables)
    allowed = any_allowed(space, tables)
    if within.any():
        expected = weights[0] * sums[0](rows) + weights[1] * sums[1](rows)
        assert np.isclose(found.value, expected[within].min())
        assert peak.of(found.architecture) <= limit
        assert allowed is not None
        assert peak.of(allowed) <= limit
    else:
        assert np.isinf(found.value)
        assert allowed is None


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_fixing_an_option_restricts_the_minimum(data: st.DataObject) -> None:
    space = data.draw(random_spaces())
    cost = compile_cost(space, data.draw(prices("sum")))
    column = data.draw(st.integers(0, len(space.choices) - 1))
    options = int(space.option_counts[column])
    option = data.draw(st.integers(0, options - 1))
    fixed = Table((column,), np.arange(options) == option)
    rows = every_row(space)
    expected = cost(rows[rows[:, column] == option]).min()
    assert np.isclose(weighted_minimum([cost], [1.0], allowed=[fixed]).value, expected)


def test_sums_and_maxima_are_not_mixed_up() -> None:
    builder = SpaceBuilder("one")
    kernel = builder.choice("kernel", (1, 3, 5))
    builder.slot("conv", reads=(kernel,), block=lambda k: Conv(4, 4, 8, kernel=k))
    space = builder.build()
    model = {1: 1.0, 3: 2.0, 5: 3.0}
    total = compile_cost(space, PricedByKernel(model))
    peak = compile_cost(space, PricedByKernel(model, "max"))
    with pytest.raises(TableError, match="price cannot be checked slot by slot: it is a sum"):
        total.within(1.0)
    with pytest.raises(TableError, match="price is a maximum over slots"):
        weighted_minimum([total, peak], [1.0, 1.0])
