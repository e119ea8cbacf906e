"""Filters on slots: is anything allowed, and minima with an option fixed."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from predictors import compile_cost
from predictors.cost import any_allowed, weighted_minimum
from search_spaces.tables import Table
from tests.random_spaces import every_row, prices, random_spaces


@settings(max_examples=40)
@given(st.data())
def test_something_is_allowed_exactly_when_enumeration_finds_it(data: st.DataObject) -> None:
    space = data.draw(random_spaces())
    peaks = [compile_cost(space, data.draw(prices("max"))) for _ in range(2)]
    limits = [data.draw(st.integers(-25, 25)) for _ in peaks]
    tables = [
        table for peak, limit in zip(peaks, limits, strict=True) for table in peak.within(limit)
    ]
    rows = every_row(space)
    within = (peaks[0](rows) <= limits[0]) & (peaks[1](rows) <= limits[1])
    found = any_allowed(space, tables)
    assert (found is not None) == within.any()
    if found is not None:
        assert all(p.of(found) <= limit for p, limit in zip(peaks, limits, strict=True))


@settings(max_examples=40)
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
