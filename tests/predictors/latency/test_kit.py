"""Kits: the runner alone on a device, and what is taken back from it."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from predictors import MeasurementError, TableError
from predictors.latency import (
    LutOptions,
    device_identity,
    import_result,
    load_table,
    make_plan,
    write_kit,
)
from predictors.latency.kit import RUNNER, file_runtime, read_measurement
from predictors.latency.kit_modules import module_closure
from predictors.latency.plan import distinct_work
from predictors.latency.runner.follow import only_runner
from predictors.latency.runner.kit import JOURNAL, PLAN, RESULT

OPTIONS = LutOptions(rounds=60, calibration_nets=8, validation_nets=4, sample_ms=0.05)


@pytest.fixture(scope="module")
def written(small_space, tmp_path_factory):
    """Return a kit that was never run."""
    pytest.importorskip("onnx")
    folder = tmp_path_factory.mktemp("kits") / "kit"
    write_kit(small_space, make_plan(small_space, OPTIONS), OPTIONS, folder)
    return folder


@pytest.fixture
def kit(written, tmp_path):
    """Return a copy of the kit, as if it had been carried to a device."""
    return shutil.copytree(written, tmp_path / "carried")


@pytest.fixture(scope="module")
def measured(written, device_python, tmp_path_factory):
    """Return a kit that was run; tests must not change it."""
    folder = shutil.copytree(written, tmp_path_factory.mktemp("measured") / "kit")
    done = run(device_python, folder)
    assert done.returncode == 0, done.stderr
    return folder


def run(python, folder, *arguments):
    command = [python, folder / RUNNER, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def rounds_in(folder):
    return (folder / JOURNAL).read_text().splitlines()[1:]


def test_the_runner_is_one_file_of_exactly_what_it_needs(written):
    entries = ["predictors.latency.runner.main", "predictors.latency.runtimes.onnx_runtime"]
    listed = subprocess.run(
        [sys.executable, "-m", "zipfile", "-l", written / RUNNER],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for module, path in module_closure(entries).items():
        assert module.replace(".", "/") + ".py" in listed
        assert path.is_file()
    assert "onnx_graph" not in listed
    assert "torch" not in listed
    assert (written / RUNNER).stat().st_size < 100_000


def test_a_device_without_torch_measures_every_row(measured, small_space, tmp_path):
    table = import_result(measured / RESULT, tmp_path / "t.lut.json", kit=measured)
    assert len(table.rows) == len(distinct_work(small_space))
    assert table.rounds == OPTIONS.rounds
    assert table.validation.estimate.nets == 4
    assert table.calibration.nets == 8
    assert table.device == device_identity()
    assert table.conditions.runtime_version == file_runtime("onnxruntime").version()
    assert table.started <= table.finished
    assert all(row.timing.latency_ms > 0 for row in table.rows)
    assert load_table(tmp_path / "t.lut.json") == table


def test_a_power_cut_loses_no_round_and_repeats_none(kit, device_python, small_space):
    process = subprocess.Popen([device_python, kit / RUNNER], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if (kit / JOURNAL).exists() and len(rounds_in(kit)) >= 3:
            break
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    kept = rounds_in(kit)
    assert 3 <= len(kept) < OPTIONS.rounds
    with (kit / JOURNAL).open("a") as journal:
        journal.write('{"part": 0, "refer')  # the power went while a round was written
    assert run(device_python, kit).returncode == 0
    after = rounds_in(kit)
    assert after[: len(kept)] == kept
    assert len(after) == OPTIONS.rounds
    _, measurement = read_measurement(kit / RESULT)
    first = measurement.parts[0][0]
    np.testing.assert_allclose(first.samples_ms, json.loads(kept[0])["samples_ms"])


def test_a_finished_kit_is_not_measured_again(measured, device_python):
    before = (measured / RESULT).stat().st_mtime_ns
    done = run(device_python, measured)
    assert done.returncode == 0
    assert "nothing is to do" in done.stdout
    assert (measured / RESULT).stat().st_mtime_ns == before


def test_one_runner_at_a_time(kit, device_python):
    with only_runner(kit):
        done = run(device_python, kit)
    assert done.returncode == 2
    assert "Another runner measures" in done.stderr


def test_writing_the_same_kit_again_keeps_it(measured, small_space):
    model = measured / "models" / "00000.onnx"
    before = model.stat().st_mtime_ns
    write_kit(small_space, make_plan(small_space, OPTIONS), OPTIONS, measured)
    assert model.stat().st_mtime_ns == before
    assert (measured / RESULT).exists()


# what is refused


def test_another_kit_is_not_written_over(kit, small_space):
    options = dataclasses.replace(OPTIONS, seed=1)
    with pytest.raises(TableError, match="holds another kit"):
        write_kit(small_space, make_plan(small_space, options), options, kit)


def test_a_runtime_without_files_makes_no_kit(small_space, tmp_path):
    options = LutOptions(runtime="torch", calibration_nets=1, validation_nets=0)
    with pytest.raises(MeasurementError, match=r"reads no files.*'onnxruntime'"):
        write_kit(small_space, make_plan(small_space, options), options, tmp_path / "kit")


def test_a_device_without_the_runtime_names_it(kit, device_python, tmp_path):
    blocker = tmp_path / "onnxruntime.py"
    blocker.write_text("raise ModuleNotFoundError(name='onnxruntime')\n")
    bare = tmp_path / "python3"
    text = device_python.read_text()
    bare.write_text(text.replace('PYTHONPATH="', f'PYTHONPATH="{tmp_path}:'))
    bare.chmod(0o755)
    done = run(bare, kit)
    assert done.returncode == 2
    assert "needs the package `onnxruntime`" in done.stderr
    assert "Traceback" not in done.stderr


def test_more_threads_than_the_device_has(kit, device_python):
    plan = json.loads((kit / PLAN).read_text())
    plan["options"]["threads"] = 10**6
    (kit / PLAN).write_text(json.dumps(plan))
    done = run(device_python, kit)
    assert done.returncode == 2
    assert "1000000 threads were asked for" in done.stderr


def test_a_journal_of_another_device_is_refused(kit, device_python, measured):
    header = json.loads((measured / JOURNAL).read_text().splitlines()[0])
    header["device"]["cpu"] = "Cortex-A76"
    (kit / JOURNAL).write_text(json.dumps(header) + "\n")
    done = run(device_python, kit)
    assert done.returncode == 2
    assert "device cpu 'Cortex-A76' against" in done.stderr


def _edited(measured, tmp_path, change):
    value = json.loads((measured / RESULT).read_text())
    change(value)
    path = tmp_path / RESULT
    path.write_text(json.dumps(value))
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda value: value.update(format="else"), '"latency-result"'),
        (lambda value: value["rounds"][0][0]["samples_ms"].pop(), "cut short"),
        (lambda value: value["rounds"].pop(), "cut short"),
        (lambda value: value["plan"]["items"].pop(0), "items are not those of its plan"),
        (lambda value: value["space"].update(fingerprint="0"), "another version of the program"),
        (lambda value: value["space"].update(name="nowhere"), "cannot be built here"),
        (
            lambda value: value["rounds"][0][0]["samples_ms"].__setitem__(0, -1.0),
            "clock of the device jumped",
        ),
    ],
)
def test_damaged_and_foreign_results(measured, tmp_path, change, message):
    with pytest.raises(TableError, match=message):
        import_result(_edited(measured, tmp_path, change), tmp_path / "t.lut.json")
    assert not (tmp_path / "t.lut.json").exists()


def test_a_result_cut_short_or_missing(measured, tmp_path):
    path = tmp_path / RESULT
    with pytest.raises(TableError, match="Cannot read the result"):
        import_result(path, tmp_path / "t.lut.json")
    text = (measured / RESULT).read_text()
    path.write_text(text[: len(text) // 2])
    with pytest.raises(TableError, match=r"cut short.*the device still has it"):
        import_result(path, tmp_path / "t.lut.json")


def test_a_result_of_another_plan(measured, small_space, tmp_path):
    other = tmp_path / "other"
    options = LutOptions(rounds=2, calibration_nets=2, validation_nets=0)
    write_kit(small_space, make_plan(small_space, options), options, other)
    with pytest.raises(TableError, match="result of another plan"):
        import_result(measured / RESULT, tmp_path / "t.lut.json", kit=other)


def test_an_existing_table_is_kept(measured, tmp_path):
    path = tmp_path / "t.lut.json"
    path.write_text("precious")
    with pytest.raises(TableError, match="exists already"):
        import_result(measured / RESULT, path)
    assert path.read_text() == "precious"


def test_a_calendar_that_jumped_is_said(measured, tmp_path, caplog):
    path = _edited(measured, tmp_path, lambda value: value.update(started="2099-01-01T00:00:00"))
    import_result(path, tmp_path / "t.lut.json")
    assert "calendar of the device jumped" in caplog.text
