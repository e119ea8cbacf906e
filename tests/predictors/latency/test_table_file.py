"""The table's file: what is written is read back, and nothing damaged is."""

from __future__ import annotations

import dataclasses
import errno
import json

import pytest

from predictors import TableError
from predictors.latency import build_table, load_table, save_table
from search_spaces import files as files_module


@pytest.fixture
def path(tiny_space, virtual, quick, tmp_path):
    path = tmp_path / "t.lut.json"
    build_table(tiny_space, quick, path)
    return path


def test_read_back_equal_and_written_equal(path, tmp_path):
    table = load_table(path)
    again = tmp_path / "t2.lut.json"
    save_table(table, again)
    assert again.read_text() == path.read_text()
    assert dataclasses.replace(load_table(again), source=table.source) == table


def test_one_row_a_line(path):
    table = load_table(path)
    lines = [line for line in path.read_text().splitlines() if line.startswith('  {"block"')]
    assert len(lines) == len(table.rows)


def test_source_names_the_file(path):
    assert load_table(path).provenance.source == "latency table t.lut.json"


def test_missing_file(tmp_path):
    with pytest.raises(TableError, match=r"Cannot read.*nas lut build"):
        load_table(tmp_path / "none.lut.json")


def test_every_truncation_is_an_error(path):
    text = path.read_text()
    for cut in range(0, len(text) - 2, max(1, len(text) // 40)):
        path.write_text(text[:cut])
        with pytest.raises(TableError, match="cut short"):
            load_table(path)


def test_not_text(path):
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TableError, match="no latency table"):
        load_table(path)


@pytest.mark.parametrize("text", ["{}", "[]", "3", '{"format": "something else", "version": 1}'])
def test_foreign_json(path, text):
    path.write_text(text)
    with pytest.raises(TableError, match="is no latency table: it lacks"):
        load_table(path)


def _edited(path, edit):
    value = json.loads(path.read_text())
    edit(value)
    path.write_text(json.dumps(value))


def test_newer_version(path):
    _edited(path, lambda value: value.update(version=4))
    with pytest.raises(TableError, match=r"version 4 .* reads version 3\. Update"):
        load_table(path)


def test_a_row_twice(path):
    _edited(path, lambda value: value["rows"].append(dict(value["rows"][0], latency_ms=9.0)))
    with pytest.raises(TableError, match=r"two rows for Conv.*9\.0 ms"):
        load_table(path)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda v: v.pop("rows"), "lacks 'rows'"),
        (lambda v: v.update(rows={}), "rows must be a list"),
        (lambda v: v.update(rows=[3]), "rows, item 1 must be an object"),
        (lambda v: v["rows"][0].update(latency_ms="fast"), "latency_ms must be a finite number"),
        (lambda v: v["rows"][0].update(runs=1.5), "runs must be a whole number"),
        (lambda v: v["rows"][0]["block"].update(block="Nothing"), "Unknown block family"),
        (lambda v: v["rows"][0]["block"].pop("hw"), "lacks the fields"),
        (lambda v: v["conditions"].update(threads="many"), "threads must be a whole number"),
        (lambda v: v["device"].update(simd="avx"), "simd must be a list"),
        (lambda v: v["space"].update(input_shapes=[["a"]]), "input_shapes"),
        (lambda v: v["networks"][0].update(role="other"), "role must be one of"),
        (lambda v: v["calibration"].update(scale=True), "scale must be a finite number"),
        (lambda v: v.update(validation=3), "validation must be an object"),
        (lambda v: v.update(started=3), "started must be a string"),
    ],
)
def test_every_wrong_value_is_named(path, edit, message):
    _edited(path, edit)
    with pytest.raises(TableError, match=message):
        load_table(path)


def test_failed_write_leaves_the_old_file(path, monkeypatch):
    table, before = load_table(path), path.read_bytes()

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files_module.os, "fsync", full)
    with pytest.raises(TableError, match="No space left"):
        save_table(table, path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]
