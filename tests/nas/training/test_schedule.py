from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.training.schedule import warmup_cosine


def test_known_values() -> None:
    rates = [warmup_cosine(s, peak=0.8, warmup_steps=4, total_steps=12) for s in range(12)]
    assert rates[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 0.8])
    assert rates[8] == pytest.approx(0.4)  # half way down
    assert rates[11] == pytest.approx(0.8 * 0.0380602337)


@given(total=st.integers(1, 300), data=st.data())
def test_rises_to_the_peak_and_falls_towards_zero(total: int, data: st.DataObject) -> None:
    warmup = data.draw(st.integers(0, total))
    rates = [
        warmup_cosine(s, peak=0.3, warmup_steps=warmup, total_steps=total) for s in range(total)
    ]
    assert rates[:warmup] == sorted(rates[:warmup])
    assert rates[warmup:] == sorted(rates[warmup:], reverse=True)
    assert max(rates) == pytest.approx(0.3)
    assert min(rates) > 0
