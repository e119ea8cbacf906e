from __future__ import annotations

import json

import pytest

from predictors import Provenance, TableError

TABLE = Provenance(
    "table", "phone.lut.json", device="phone", runtime="ort 1.20", date="2026-01-02"
)


@pytest.mark.parametrize("provenance", [TABLE, Provenance("analytic", "counted")])
def test_json_round_trip(provenance: Provenance) -> None:
    assert Provenance.from_json(json.loads(json.dumps(provenance.to_json()))) == provenance


def test_it_reads_as_a_sentence() -> None:
    assert str(TABLE) == "table, phone.lut.json, phone, ort 1.20, 2026-01-02"
    assert str(Provenance("analytic", "counted")) == "analytic, counted"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "object with the fields"),
        ({"kind": "table"}, "first two required"),
        ({"kind": "table", "source": "x", "machine": "y"}, "got .*machine"),
        ({"kind": "guess", "source": "x"}, "one of .*measured.*, got 'guess'"),
    ],
)
def test_other_json_is_refused(value: object, message: str) -> None:
    with pytest.raises(TableError, match=message):
        Provenance.from_json(value)  # type: ignore[arg-type]
