"""Predicted beside executed: what counts as an error, and what is a refill."""

from __future__ import annotations

import numpy as np
import pytest

from predictors.mpc import NETWORKS, MpcCost, Protocol, get_protocol
from predictors.mpc.execute import Execution
from predictors.mpc.validation import Comparison, summary


def executed(*costs: tuple[int, int], walls_s: tuple[float, ...] = (1.0,)) -> Execution:
    """Return inferences of so many bytes and sends each."""
    made = tuple(MpcCost(sent, sent / 2, sends, sends, 0.1) for sent, sends in costs)
    return Execution(made[0], made, walls_s, 0.0, np.zeros((1, 10)), "tun", 44.0, 0.5, {})


def row(
    predicted: tuple[int, int], protocol: Protocol, *costs: tuple[int, int]
) -> dict[str, float]:
    sent, sends = predicted
    cost = MpcCost(sent, sent / 2, sends, sends, 0.1)
    return Comparison("net", cost, executed(*costs), protocol).row(None)


def test_sends_are_the_mean_of_all_inferences() -> None:
    aby3 = get_protocol("aby3")
    found = row((1000, 106), aby3, (1000, 98), (1000, 102))
    assert found["sends"] == 100
    assert found["sends_error"] == pytest.approx(0.06)
    assert found["bytes_error"] == 0
    assert "refills" not in found


def test_refills_are_counted_and_not_held_against_an_inference() -> None:
    cheetah = get_protocol("cheetah")
    refill, messages = cheetah.refill_bytes, cheetah.refill_sends
    base, sends = 10_000_000, 200
    some = (base, sends), (base + 2 * refill, sends + 2 * messages)
    found = row((base, sends), cheetah, *some)
    assert found["refills"] == [0, 2]
    assert (found["bytes_error"], found["sends_error"]) == (0, 0)
    assert found["online_bytes"] == base + refill
    assert found["bytes_error_with_refills"] == pytest.approx(base / (base + refill) - 1)

    wrong = row((base - refill, sends), cheetah, *some)  # one more explains the bytes alone
    assert wrong["refills"] == [1, 3]
    assert wrong["sends_error"] == pytest.approx(sends / (sends - messages) - 1)


def test_a_latency_is_predicted_at_the_round_trip_the_link_had() -> None:
    wan = NETWORKS["wan"]
    cost = MpcCost(0, 0, 100, 100, 1.0)
    comparison = Comparison(
        "net", cost, executed((1, 100), walls_s=(3.1, 3.2, 3.3)), get_protocol("semi2k")
    )
    found = comparison.row(wan)
    assert found["predicted_latency_s"] == 1.0 + 100 * 0.020
    assert found["latency_error"] == pytest.approx(3.0 / 3.2 - 1)
    assert found["predicted_latency_at_link_s"] == pytest.approx(1.0 + 100 * 0.022)
    figures = summary([comparison, comparison], wan)
    assert figures["latency_mape_at_link"] == pytest.approx(0, abs=1e-12)
    assert figures["latency_largest_error"] == pytest.approx(1 - 3.0 / 3.2)
