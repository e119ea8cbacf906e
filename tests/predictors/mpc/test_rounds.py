"""Effective rounds, measured over two links that differ in their round trip."""

from __future__ import annotations

import pytest

from predictors.errors import MeasurementError
from predictors.mpc import Laws, Operator, get_protocol
from predictors.mpc.engine.environment import engine_python
from predictors.mpc.parties import RoundMeter


def _installed() -> bool:
    try:
        return engine_python() is not None
    except MeasurementError:
        return False


@pytest.mark.skipif(not _installed(), reason="the private engine is not installed")
def test_rounds_of_a_protocol_that_waits_for_every_message() -> None:
    protocol = get_protocol("semi2k")
    operator = Operator("layer_norm", (5, 8))
    with RoundMeter(protocol) as rounds:
        if not rounds.shaped:
            pytest.skip("the link cannot be shaped here")
        found = rounds(operator)
    assert found == pytest.approx(Laws(protocol)(operator).rounds, rel=0.25)
