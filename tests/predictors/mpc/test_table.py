"""Tables of measured operators as files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from predictors import TableError
from predictors.mpc import (
    MpcCost,
    MpcTable,
    Operator,
    get_protocol,
    load_mpc_table,
    save_mpc_table,
)

ROWS = {
    Operator("relu", (64,)): MpcCost(9216, 4608, 8, 8, 0.002),
    Operator("matmul", (1, 8, 4, 2)): MpcCost(768, 384, 2, 2, 0.001),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    table = MpcTable(
        get_protocol("semi2k"), "a machine", {"spu": "0.9.5"}, "2026-11-23", ROWS, 1.5
    )
    save_mpc_table(table, tmp_path / "t.mpc.json")
    return tmp_path / "t.mpc.json"


def changed(path: Path, change: object) -> Path:
    value = json.loads(path.read_text())
    change(value)  # type: ignore[operator]
    path.write_text(json.dumps(value))
    return path


def test_a_table_survives_its_file(path: Path) -> None:
    table = load_mpc_table(path)
    assert table.rows == ROWS
    assert table.protocol == get_protocol("semi2k")
    assert table.load == 1.5
    assert table(Operator("relu", (64,))).sends == 8
    assert table(Operator("relu", (64,))).cpu_s == 0.002
    assert table(Operator("relu", (64,))).offline_bytes is None
    assert table.provenance.kind == "table"
    assert "spu 0.9.5" in table.provenance.runtime


def test_an_operator_that_was_not_measured_is_named(path: Path) -> None:
    table = load_mpc_table(path)
    other = Operator("relu", (65,))
    assert table.missing([other, other, Operator("relu", (64,))]) == [other]
    with pytest.raises(TableError, match=r"lacks relu\(65\).*nas mpc measure"):
        table(other)


def test_another_version_of_the_engine_is_refused(path: Path) -> None:
    changed(path, lambda value: value["protocol"].update(version="0.9.3"))
    with pytest.raises(TableError, match=r"version 0\.9\.3 against 0\.9\.5"):
        load_mpc_table(path)


def test_a_table_of_before_refills_were_measured_is_refused(path: Path) -> None:
    changed(path, lambda value: value.update(version=2))
    with pytest.raises(TableError, match="no table of private costs that this version reads"):
        load_mpc_table(path)


def test_a_row_that_is_there_twice_is_refused(path: Path) -> None:
    changed(path, lambda value: value["rows"].append(value["rows"][0]))
    with pytest.raises(TableError, match="is there twice"):
        load_mpc_table(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [("{", "Cannot read"), ('{"format": "other", "version": 1}', "no table of private costs")],
)
def test_what_is_no_table_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "t.mpc.json"
    path.write_text(text)
    with pytest.raises(TableError, match=said):
        load_mpc_table(path)
