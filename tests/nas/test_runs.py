"""Run folders: made whole, opened with care, held by one process, and never half written."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.config import Config, parse_config
from nas.errors import ConfigError, RunError
from nas.json_files import append_line, read_lines
from nas.runs import RunFolder

ROOT = Path(__file__).resolve().parents[2]


def config(**train: Any) -> Config:
    document = {
        "space": {"name": "mobile_small", "options": {"widths": [0.5, 1.0]}},
        "data": {"format": "digits", "validation": 100},
        "train": {"epochs": 2, "batch_size": 64, "learning_rate": 0.1, **train},
        "export": {"formats": ["safetensors", "onnx"]},
    }
    return parse_config(document, source="test")


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "runs" / "one", config(), command=["nas", "run", "a.toml"])


def test_a_new_run_folder_opens_again(run: RunFolder) -> None:
    again = RunFolder.open(run.path)
    assert again == run
    assert again.config.config_hash == config().config_hash
    assert again.about()["command"] == ["nas", "run", "a.toml"]
    assert again.about()["packages"]["pydantic"]
    assert (again.checkpoints.is_dir(), again.exports.is_dir()) == (True, True)
    assert again.archive_path.parent == run.path
    assert [entry.name for entry in run.path.parent.iterdir()] == ["one"]


def test_an_empty_folder_may_be_used(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    assert RunFolder.create(tmp_path / "run", config()).about()["command"] == sys.argv


def test_a_taken_path_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.tex").write_text("x")
    (tmp_path / "file").write_text("x")
    for name in ("folder", "file"):
        with pytest.raises(RunError, match=f"{name} exists and is not empty.*--resume"):
            RunFolder.create(tmp_path / name, config())
    assert (tmp_path / "folder" / "thesis.tex").read_text() == "x"
    with pytest.raises(RunError, match="cannot write"):
        RunFolder.create(tmp_path / "file" / "run", config())


def test_a_full_disk_leaves_no_half_run_folder(small_disk: Path) -> None:
    (small_disk / "filler").write_bytes(b"x" * (252 * 1024))
    with pytest.raises(RunError, match="disk full"):
        RunFolder.create(small_disk / "run", config())
    assert [entry.name for entry in small_disk.iterdir()] == ["filler"]


def test_a_folder_that_cannot_be_written(small_disk: Path) -> None:
    run = RunFolder.create(small_disk / "run", config())
    run.append_metrics({"step": 1})
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(RunError, match=r"cannot write .*Read-only"):
        RunFolder.create(small_disk / "other", config())
    with pytest.raises(RunError, match=r"cannot write .*lock"), run.lock():
        pass
    with pytest.raises(RunError, match="cannot write"):
        run.append_metrics({"step": 2})
    assert RunFolder.open(run.path).read_metrics() == [{"step": 1}]


def test_what_is_no_run_folder_is_said(tmp_path: Path, run: RunFolder) -> None:
    with pytest.raises(RunError, match=r"does not exist\. Did you mean 'one'\?"):
        RunFolder.open(run.path.parent / "onne")
    with pytest.raises(RunError, match=r"no run folder, it has no run\.json"):
        RunFolder.open(tmp_path)
    (run.path / "run.json").write_text('{"kind": "optuna study"}')
    with pytest.raises(RunError, match="is no run folder of this engine"):
        RunFolder.open(run.path)


def test_a_newer_format_is_refused(run: RunFolder) -> None:
    about = {**run.about(), "format": 2}
    (run.path / "run.json").write_text(json.dumps(about))
    with pytest.raises(
        RunError, match=r"run folder format 2, this version reads up to 1.*Upgrade"
    ):
        RunFolder.open(run.path)


@pytest.mark.parametrize("name", ["run.json", "config.json"])
@pytest.mark.parametrize("text", ['{"kind": "na', "[1]", "\x00\x00", "\xff"])
def test_damaged_json_is_named(run: RunFolder, name: str, text: str) -> None:
    (run.path / name).write_text(text, encoding="latin-1")
    with pytest.raises(RunError, match=f"{name} is damaged"):
        RunFolder.open(run.path)


def test_a_missing_or_foreign_config_is_named(run: RunFolder) -> None:
    resolved = run.config.to_json()
    (run.path / "config.json").write_text(json.dumps({**resolved, "sede": 1}))
    with pytest.raises(ConfigError, match=r"config\.json:\n  sede = 1: unknown key.*'seed'"):
        RunFolder.open(run.path)
    (run.path / "config.json").unlink()
    with pytest.raises(RunError, match=r"cannot read .*config\.json"):
        RunFolder.open(run.path)


def test_stages_are_marked(run: RunFolder) -> None:
    assert (run.status(), run.stages()) == ({}, {})
    run.mark("train", "running", progress=0.5)
    assert (run.status()["stage"], run.status()["progress"]) == ("train", 0.5)
    run.mark("train", "done")
    run.mark("search", "interrupted")
    assert RunFolder.open(run.path).stages() == {"train": "done", "search": "interrupted"}
    assert run.status()["stage"] == "search"


def test_latency_tables_are_found(run: RunFolder) -> None:
    for name in ("phone.lut.json", "cpu.lut.json", "other.json"):
        (run.path / name).write_text("{}")
    assert [path.name for path in run.latency_tables()] == ["cpu.lut.json", "phone.lut.json"]


_HOLDER = """
import sys, time
from nas.runs import RunFolder
with RunFolder.open(sys.argv[1]).lock():
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_lock_names_its_holder_and_dies_with_it(run: RunFolder) -> None:
    leftover = run.checkpoints / ".tmpA1b2C3"
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(run.path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        leftover.write_text("half a checkpoint")
        name = f"in use by process {holder.pid} on {socket.gethostname()}"
        with pytest.raises(RunError, match=name), run.lock():
            pass
        assert leftover.exists()
        assert RunFolder.open(run.path).read_metrics() == []
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        holder.stdout.close()
    with run.lock():
        assert not leftover.exists()
        assert str(os.getpid()) in (run.path / "lock").read_text()


def test_the_lock_is_given_back_and_hides_no_error_of_the_block(run: RunFolder) -> None:
    with pytest.raises(BlockingIOError), run.lock():
        raise BlockingIOError("of the work itself")
    with run.lock(), pytest.raises(RunError, match=f"process {os.getpid()} on"), run.lock():
        pass
    with run.lock():
        pass


def test_metrics_come_back_in_order(run: RunFolder) -> None:
    assert run.read_metrics() == []
    run.append_metrics({"step": 1, "loss": 2.25})
    run.append_metrics({"step": 2, "loss": float("nan"), "stage": "größe"})
    assert run.read_metrics() == [
        {"step": 1, "loss": 2.25},
        {"step": 2, "loss": None, "stage": "größe"},
    ]


@given(cut=st.integers(0, 10_000), long=st.integers(1, 5000))
def test_a_log_cut_anywhere_keeps_its_whole_lines_and_goes_on(
    tmp_path_factory: pytest.TempPathFactory, cut: int, long: int
) -> None:
    path = tmp_path_factory.mktemp("log") / "metrics.jsonl"
    lines = [{"step": 1}, {"step": 2, "text": "x" * long}, {"step": 3}]
    for line in lines:
        append_line(path, line)
    os.truncate(path, min(cut, path.stat().st_size))
    whole = path.read_bytes().count(b"\n")
    assert read_lines(path) == lines[:whole]
    append_line(path, {"step": 4})
    assert read_lines(path) == [*lines[:whole], {"step": 4}]


@pytest.mark.parametrize("middle", ['{"step": ', "3", "\x00\x00"])
def test_a_damaged_line_in_the_middle_is_named(run: RunFolder, middle: str) -> None:
    run.append_metrics({"step": 1})
    with run.metrics_path.open("a") as file:
        file.write(f"{middle}\n")
    run.append_metrics({"step": 3})
    with pytest.raises(RunError, match=r"metrics\.jsonl, line 2, is damaged"):
        run.read_metrics()


def test_a_full_disk_keeps_the_lines_before(small_disk: Path) -> None:
    run = RunFolder.create(small_disk / "run", config())
    expected = []

    def fill() -> None:
        for step in range(10_000):
            run.append_metrics({"step": step, "text": "x" * 500})
            expected.append(step)

    with pytest.raises(RunError, match=r"disk full while writing .*metrics\.jsonl"):
        fill()
    assert len(expected) > 10
    assert [line["step"] for line in run.read_metrics()] == expected
    with pytest.raises(RunError, match=r"disk full while writing .*status\.json"):
        run.mark("train", "failed")
    assert run.status() == {}
