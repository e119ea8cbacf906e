from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces.rounding import make_divisible


@pytest.mark.parametrize(
    ("channels", "expected"),
    [(1, 8), (11.9, 16), (12, 16), (19.2, 24), (48, 48), (28.8, 32), (134.4, 136), (1152, 1152)],
)
def test_published_widths(channels: float, expected: int) -> None:
    assert make_divisible(channels) == expected


@given(st.floats(0.1, 5000), st.sampled_from([4, 8, 16]))
def test_a_multiple_near_the_value(channels: float, divisor: int) -> None:
    rounded = make_divisible(channels, divisor)
    assert rounded % divisor == 0
    assert rounded >= divisor
    assert rounded >= 0.9 * channels
    assert rounded <= max(divisor, channels + divisor)
