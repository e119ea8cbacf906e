"""Networks measured after the table was built: calibrating and validating it again."""

from __future__ import annotations

import dataclasses
import json

import pytest

from predictors import TableError
from predictors.latency import (
    LutOptions,
    build_table,
    judge,
    load_table,
    measure_further,
    save_table,
    space_of_table,
)
from search_spaces import registry

QUICK = LutOptions(rounds=4, sample_ms=0.05)


@pytest.fixture
def registered(make_space, monkeypatch):
    """Let the tiny space be found by name."""

    def tiny(resolutions=(8, 12), classes=4):
        return make_space(resolutions, classes)

    monkeypatch.setitem(registry._factories, "tiny", tiny)


@pytest.fixture
def path(tiny_space, virtual, quick, tmp_path, registered):
    """Return a table of the virtual device."""
    path = tmp_path / "t.lut.json"
    build_table(tiny_space, dataclasses.replace(quick, validation_nets=0), path)
    return path


def test_validation_by_networks_the_table_never_saw(path):
    assert load_table(path).validation is None
    table, drift = measure_further(path, "validation", 9, options=QUICK)
    assert table.validation.estimate.nets == 9
    assert table.validation.estimate.within_5_percent == 1
    assert drift == pytest.approx(1, rel=1e-3)
    kept = load_table(path)
    assert kept.validation.estimate.nets == 9
    roles = {}
    for net in kept.networks:
        roles.setdefault(net.role, set()).add(net.architecture)
    assert not roles["calibration"] & roles["validation"]
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_slower_machine_is_corrected_and_said(path, virtual):
    virtual.factor = 1.3
    table, drift = measure_further(path, "validation", 9, options=QUICK)
    assert drift == pytest.approx(1.3, rel=1e-3)
    assert table.validation.estimate.bias == pytest.approx(0, abs=0.01)


def test_validating_again_replaces_the_networks(path):
    measure_further(path, "validation", 9, options=QUICK)
    table, _ = measure_further(path, "validation", 5, options=QUICK)
    assert table.validation.estimate.nets == 5
    assert sum(net.role == "validation" for net in table.networks) == 5


def test_calibrating_again(path):
    before = load_table(path)
    table, _ = measure_further(path, "calibration", 16, options=QUICK)
    assert table.calibration.nets == 16
    assert table.rows == before.rows
    assert table.calibration.scale == pytest.approx(1 / 1.25, rel=0.02)


def test_calibrating_by_what_the_table_holds_changes_nothing(path):
    table = load_table(path)
    again = judge(space_of_table(table), table)
    assert again.calibration.scale == pytest.approx(table.calibration.scale, rel=1e-4)


def test_a_stopped_validation_goes_on(path, virtual):
    def interrupt(done, total, text):
        if text.startswith("round 3"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure_further(path, "validation", 9, options=QUICK, progress=interrupt)
    journal = path.with_name(f"{path.name}.validation")
    assert len(journal.read_text().splitlines()) == 3
    table, _ = measure_further(path, "validation", 9, options=QUICK)
    assert table.validation.estimate.nets == 9
    assert not journal.exists()


def test_another_version_of_the_runtime_is_refused(path, virtual):
    virtual.version_text = "2.0"
    with pytest.raises(TableError, match=r"runtime_version '1.0' against '2.0'.*--host"):
        measure_further(path, "validation", 9, options=QUICK)


def test_a_table_without_a_reference(path):
    table = dataclasses.replace(load_table(path), reference=None)
    save_table(table, path)
    with pytest.raises(TableError, match="published by others"):
        measure_further(path, "validation", 9, options=QUICK)
    assert load_table(path).reference is None


def test_a_space_that_is_not_here(path, monkeypatch):
    monkeypatch.undo()
    with pytest.raises(TableError, match="'tiny', which cannot be built here"):
        space_of_table(load_table(path))


def test_a_table_of_a_part_of_a_space(tiny_space, virtual, quick, tmp_path, registered):
    path = tmp_path / "part.lut.json"
    part = tiny_space.restrict({"kernel": [3], "resolution": [8, 12]})
    build_table(part, quick, path)
    table, _ = measure_further(path, "validation", 9, options=QUICK)
    assert table.validation.estimate.nets == 9
    assert all(net.architecture["kernel"] == 3 for net in table.networks)
    assert space_of_table(load_table(path)).fingerprint == part.fingerprint
    with pytest.raises(TableError, match=r"a part of the space, with kernel in \[3\]\."):
        table.check(tiny_space)


def test_a_table_of_a_part_that_does_not_say_so(tiny_space, virtual, quick, tmp_path, registered):
    """As versions before wrote it: it is read and prices what it holds, and is not completed."""
    path = tmp_path / "part.lut.json"
    part = tiny_space.restrict({"kernel": [3]})
    build_table(part, quick, path)
    content = json.loads(path.read_text())
    assert content["space"].pop("keep") == {"kernel": [3]}
    path.write_text(json.dumps(content))
    table = load_table(path)
    table.check(part)
    with pytest.raises(TableError, match="by an earlier version of the program for a part of it"):
        measure_further(path, "validation", 9, options=QUICK)


def test_what_is_kept_may_be_damaged(tiny_space, virtual, quick, tmp_path, registered):
    path = tmp_path / "part.lut.json"
    build_table(tiny_space.restrict({"kernel": [3]}), quick, path)
    for keep, said in (([3], "must be an object"), ({"kernel": [4]}, "cannot be built here: .*4")):
        content = json.loads(path.read_text())
        content["space"]["keep"] = keep
        path.write_text(json.dumps(content))
        with pytest.raises(TableError, match=said):
            space_of_table(load_table(path))
