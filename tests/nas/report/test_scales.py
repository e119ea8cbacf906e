"""Scales and ticks."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nas.report.scales import Scale, linear_scale, log_scale

numbers = st.floats(-1e9, 1e9, allow_nan=False)
positive = st.floats(1e-6, 1e9, allow_nan=False)


def rounded(value: float) -> float:
    """The digits of a number without its power of ten."""
    return round(abs(value) / 10 ** math.floor(math.log10(abs(value))), 6)


@given(st.lists(numbers, min_size=1, max_size=20))
def test_a_linear_scale_holds_all_values(values: list[float]) -> None:
    scale = linear_scale(values, 10.0, 110.0)
    assert all(scale.low <= value <= scale.high for value in values)
    assert scale(scale.low) == pytest.approx(10.0)
    assert scale(scale.high) == pytest.approx(110.0)


@given(st.lists(positive, min_size=1, max_size=20))
def test_a_logarithmic_scale_holds_all_values(values: list[float]) -> None:
    scale = log_scale(values, 100.0, 0.0)
    assert all(scale.low * (1 - 1e-9) <= value <= scale.high * (1 + 1e-9) for value in values)
    assert scale(scale.low) == pytest.approx(100.0)
    assert scale(scale.high) == pytest.approx(0.0)


@given(numbers, numbers, st.sampled_from([1.0, 0.01, 1024.0]))
def test_ticks_are_ascending_round_and_within(a: float, b: float, unit: float) -> None:
    low, high = min(a, b), max(a, b)
    assume(high - low > 1e-3 * max(abs(low), abs(high), 1e-3))
    scale = Scale(low, high, 0.0, 1.0, unit=unit)
    ticks = scale.ticks(5)
    assert 2 <= len(ticks) <= 7
    assert ticks == sorted(set(ticks))
    room = 1e-6 * (high - low)
    assert all(low - room <= tick <= high + room for tick in ticks)
    steps = {round((y - x) / unit, 9) for x, y in itertools.pairwise(ticks)}
    assert {rounded(step) for step in steps if step > 1e-6} <= {1.0, 2.0, 2.5, 5.0}


@given(st.floats(1e-3, 1e6), st.floats(13, 1e6))
def test_logarithmic_ticks_are_few_and_round(low: float, ratio: float) -> None:
    scale = Scale(low, low * ratio, 0.0, 1.0, log=True)
    ticks = scale.ticks(5)
    assert 2 <= len(ticks) <= 9
    assert ticks == sorted(ticks)
    assert all(low * (1 - 1e-6) <= tick <= low * ratio * (1 + 1e-6) for tick in ticks)


def test_known_ticks() -> None:
    assert Scale(0.0, 1.0, 0, 1).ticks(5) == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert Scale(0.87, 0.99, 0, 1, unit=0.01).ticks(4) == pytest.approx([0.9, 0.95])
    kib = Scale(40 * 1024, 210 * 1024, 0, 1, unit=1024).ticks(4)
    assert kib == [50 * 1024, 100 * 1024, 150 * 1024, 200 * 1024]
    assert Scale(0.9, 1100.0, 0, 1, log=True).ticks(4) == [1.0, 10.0, 100.0, 1000.0]


@pytest.mark.parametrize("values", [[], [3.0], [3.0, 3.0], [0.0], [math.inf, math.nan, 2.0]])
def test_hardly_any_values_still_give_a_scale(values: list[float]) -> None:
    for scale in (linear_scale(values, 0, 1), log_scale(values, 0, 1)):
        assert scale.high > scale.low
        assert scale.ticks()


def test_what_lies_outside_is_drawn_at_the_border() -> None:
    scale = Scale(0.0, 1.0, 0.0, 100.0)
    assert scale(-5.0) == 0.0
    assert scale(7.0) == 100.0
