"""Building a table: what is measured, what is kept, what is refused."""

from __future__ import annotations

import dataclasses
import errno
import json

import numpy as np
import pytest

from predictors import TableError, compile_cost
from predictors.latency import LutOptions, build_table, load_table, make_plan
from predictors.latency import kit as kit_module
from predictors.latency import target as target_module
from predictors.latency.graph import executed
from predictors.latency.plan import distinct_work
from predictors.latency.runner import identity as identity_module
from predictors.latency.runner.device import device_identity
from predictors.latency.runtimes.onnx_runtime import OnnxRuntime


@pytest.fixture
def path(tmp_path):
    return tmp_path / "t.lut.json"


def test_every_different_block_gets_one_row_with_its_latency(tiny_space, virtual, quick, path):
    table = build_table(tiny_space, quick, path)
    assert {executed(row.block) for row in table.rows} == set(distinct_work(tiny_space))
    for row in table.rows:
        alone = virtual.alone_ns(row.block) / 1e6
        assert row.timing.latency_ms == pytest.approx(alone, rel=1e-3)
        assert row.timing.min_ms == pytest.approx(alone, rel=1e-3)
        assert row.timing.spread == pytest.approx(0, abs=1e-3)
    assert table.call_ms == pytest.approx(2e-3, rel=1e-3)


def test_calibrated_table_prices_networks_it_never_saw(tiny_space, virtual, quick, path):
    table = build_table(tiny_space, quick, path)
    assert table.calibration.scale == pytest.approx(1 / 1.25, rel=0.02)
    assert table.validation.estimate.spearman > 0.999
    assert table.validation.estimate.within_5_percent == 1
    cost = compile_cost(tiny_space, table.cost_model(tiny_space))
    population = tiny_space.sample(50, np.random.default_rng(1))
    actual = [virtual.network_ns(tiny_space, a) / 1e6 for a in tiny_space.decode_all(population)]
    np.testing.assert_allclose(cost(population), actual, rtol=5e-3)


def test_without_networks_the_rows_are_summed(tiny_space, virtual, quick, path):
    options = dataclasses.replace(quick, calibration_nets=0, validation_nets=0)
    table = build_table(tiny_space, options, path)
    assert table.networks == ()
    assert table.validation is None
    row = table.rows[0]
    assert table.cost_model()(row.block) == pytest.approx(row.timing.latency_ms - table.call_ms)


def test_the_file_is_the_table_and_no_journal_is_left(tiny_space, virtual, quick, path):
    table = build_table(tiny_space, quick, path)
    assert load_table(path) == table
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_finished_table_is_not_measured_again(tiny_space, virtual, quick, path):
    table = build_table(tiny_space, quick, path)
    before = virtual.runs
    assert build_table(tiny_space, quick, path) == table
    assert virtual.runs == before


def test_a_stopped_build_keeps_its_rounds_and_goes_on(tiny_space, virtual, quick, path):
    build_table(tiny_space, quick, path.with_name("whole.lut.json"))
    whole, virtual.runs = virtual.runs, 0
    _stopped(tiny_space, quick, path)
    journal = path.with_name(path.name + ".partial")
    assert len(journal.read_text().splitlines()[1:]) == 2
    assert not path.exists()
    virtual.runs = 0
    table = build_table(tiny_space, quick, path)
    assert table.rounds == quick.rounds
    assert virtual.runs < 0.7 * whole
    assert not journal.exists()
    other = load_table(path.with_name("whole.lut.json"))
    assert [row.timing.latency_ms for row in table.rows] == pytest.approx(
        [row.timing.latency_ms for row in other.rows], rel=1e-3
    )


def test_a_round_cut_short_by_a_power_cut_is_measured_again(tiny_space, virtual, quick, path):
    _stopped(tiny_space, quick, path)
    journal = path.with_name(path.name + ".partial")
    whole = journal.read_text()
    assert whole.count("\n") >= 2
    journal.write_text(whole[: -len(whole.splitlines()[-1]) // 2])
    assert build_table(tiny_space, quick, path).rounds == quick.rounds


def test_a_large_plan_is_measured_in_parts(tiny_space, virtual, quick, path):
    whole = build_table(tiny_space, quick, path)
    options = dataclasses.replace(quick, loaded_megabytes=0.02)
    parts = build_table(tiny_space, options, path.with_name("parts.lut.json"))
    assert [row.timing.latency_ms for row in parts.rows] == pytest.approx(
        [row.timing.latency_ms for row in whole.rows], rel=1e-3
    )
    assert parts.calibration.scale == pytest.approx(whole.calibration.scale, rel=1e-3)


def test_progress_never_exceeds_its_total_and_ends_there(tiny_space, virtual, quick, path):
    seen = []
    build_table(tiny_space, quick, path, progress=lambda *call: seen.append(call))
    assert all(0 <= done <= total for done, total, _ in seen)
    assert [done for done, _, _ in seen] == sorted(done for done, _, _ in seen)
    assert seen[-1][0] == seen[-1][1]
    assert {text.split()[0] for _, _, text in seen} == {"loading", "round", "done"}


def test_threads_reach_the_runtime(tiny_space, virtual, quick, path):
    build_table(tiny_space, quick, path)
    assert virtual.threads_seen == [quick.threads]


# what is refused


def _stopped(space, quick, path):
    """Press Ctrl-C in the third round."""

    def interrupt(done, total, text):
        if text.startswith("round 3"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_table(space, quick, path, progress=interrupt)


def _finished(space, quick, path):
    build_table(space, quick, path)


@pytest.mark.parametrize("make", [_stopped, _finished])
@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("space", "classes=4"),
        ("version", "runtime_version '1.0' against '2.0'"),
        ("batch", "batch_size 1 against 2"),
        ("device", "cores 64 against"),
    ],
)
def test_measurements_are_not_mixed(
    make, change, named, tiny_space, make_space, virtual, quick, path, monkeypatch
):
    if change == "device":
        other = dataclasses.replace(device_identity(), cores=64)
        with monkeypatch.context() as patch:
            patch.setattr(identity_module, "device_identity", lambda accelerator: other)
            make(tiny_space, quick, path)
    else:
        make(tiny_space, quick, path)
    before = {file: file.read_bytes() for file in path.parent.iterdir()}
    space, options = tiny_space, quick
    if change == "space":
        space = make_space(classes=5)
    if change == "version":
        virtual.version_text = "2.0"
    if change == "batch":
        options = dataclasses.replace(quick, batch_size=2)
    with pytest.raises(TableError, match="another measurement") as raised:
        build_table(space, options, path)
    assert named in str(raised.value)
    assert {file: file.read_bytes() for file in path.parent.iterdir()} == before


def test_rounds_of_another_plan_are_not_mixed(tiny_space, virtual, quick, path):
    _stopped(tiny_space, quick, path)
    with pytest.raises(TableError, match="other calibration networks"):
        build_table(tiny_space, dataclasses.replace(quick, seed=1), path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda lines: [], "is empty"),
        (lambda lines: ["{}", *lines[1:]], "lacks 'format'"),
        (lambda lines: ["nonsense", *lines[1:]], "line 1 is damaged"),
        (lambda lines: [lines[0], "nonsense", *lines[1:]], "line 2 is damaged"),
        (lambda lines: [lines[0].replace('"version": 1', '"version": 9')], "cannot continue|no j"),
        (
            lambda lines: [
                lines[0],
                '{"part": 0, "reference_ms": 1.0, "samples_ms": [1.0], "repeats": [1]}',
            ],
            "does not have",
        ),
    ],
)
def test_damaged_journal(damage, message, tiny_space, virtual, quick, path):
    _stopped(tiny_space, quick, path)
    journal = path.with_name(path.name + ".partial")
    lines = damage(journal.read_text().splitlines())
    journal.write_text("".join(line + "\n" for line in lines))
    with pytest.raises(TableError, match=message):
        build_table(tiny_space, quick, path)


def test_missing_folder(tiny_space, virtual, quick, tmp_path):
    with pytest.raises(TableError, match="choose a folder that exists"):
        build_table(tiny_space, quick, tmp_path / "none" / "t.lut.json")


def test_full_disk_loses_no_round(tiny_space, virtual, quick, path, monkeypatch):
    from search_spaces import files

    calls = []

    def full(handle):
        calls.append(handle)
        if len(calls) == 4:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "fsync", full)
        with pytest.raises(TableError, match="No space left on device"):
            build_table(tiny_space, quick, path)
    journal = path.with_name(path.name + ".partial")
    rounds = [json.loads(line) for line in journal.read_text().splitlines()[1:]]
    assert len(rounds) >= 2
    assert build_table(tiny_space, quick, path).rounds == quick.rounds


def test_a_stopped_build_keeps_what_was_slow_to_convert(small_space, monkeypatch, path):
    pytest.importorskip("onnxruntime")
    converted = []

    class Slow(OnnxRuntime):
        slow_to_convert = True

        def convert(self, model):
            converted.append(model)
            return super().convert(model)

    for module in (target_module, kit_module):
        monkeypatch.setattr(module, "get_runtime", lambda name: Slow())
    space = small_space.restrict({small_space.choices[0].name: small_space.choices[0].options[:2]})
    options = LutOptions(rounds=3, calibration_nets=4, validation_nets=3)

    def interrupt(done, total, text):
        if text == "writing network 6":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_table(space, options, path, progress=interrupt)
    assert len(converted) == 5
    table = build_table(space, options, path)
    assert len(converted) == len(make_plan(space, options).items)
    assert table.validation is not None
    table.check(space)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
