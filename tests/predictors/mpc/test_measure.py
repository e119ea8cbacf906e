"""What a row of a table is made of, from runs that refill a stock of transfers now and then."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from predictors.mpc import get_protocol
from predictors.mpc.measure import _with_refills

CHEETAH = get_protocol("cheetah")
BYTES, SENDS = 31_317_500, 217  # a GELU of 8,320 elements, as the engine sent it


def runs(refills: Sequence[int], *, noise: Sequence[int] | None = None) -> list[dict[str, int]]:
    beyond = noise or [0] * len(refills)
    return [
        {
            "online_bytes": BYTES + count * CHEETAH.refill_bytes + more,
            "sends": SENDS + count * CHEETAH.refill_sends,
        }
        for count, more in zip(refills, beyond, strict=True)
    ]


@pytest.mark.parametrize(
    ("refills", "rate"),
    [
        ([0, 3, 0, 3, 0, 3, 0, 3], 1.5),
        ([3, 0, 3, 0, 3, 0, 3, 0], 1.5),  # the first made up for what ran before
        ([0, 0, 0, 3, 0, 0, 0, 0], 0.0),
        ([0] * 8, 0.0),
    ],
)
def test_refills_are_counted_from_one_to_the_next(refills: list[int], rate: float) -> None:
    sent, sends, found = _with_refills(runs(refills), CHEETAH)
    assert found == rate
    assert sent == BYTES + rate * CHEETAH.refill_bytes
    assert sends == SENDS + rate * CHEETAH.refill_sends


def test_ciphertexts_of_other_sizes_are_no_refill() -> None:
    noise = [0, 900, 350, 1200, 40, 700, 10, 300]
    sent, _, found = _with_refills(runs([0] * 8, noise=noise), CHEETAH)
    assert (sent, found) == (BYTES, 0)


def test_another_stock_is_left_out() -> None:
    made = runs([0, 1, 0, 1])
    made[2]["online_bytes"] += 267_000
    made[2]["sends"] += 1_280
    assert _with_refills(made, CHEETAH) == (
        BYTES + CHEETAH.refill_bytes / 2,
        SENDS + CHEETAH.refill_sends / 2,
        0.5,
    )


def test_protocols_without_refills_have_means() -> None:
    made = [{"online_bytes": 100, "sends": sends} for sends in (62, 63, 64)]
    assert _with_refills(made, get_protocol("aby3")) == (100, 63, 0)
