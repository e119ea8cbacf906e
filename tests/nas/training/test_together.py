"""Several processes train what one process trains."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from nas.cli import main
from nas.errors import InterruptedRunError
from nas.runs import RunFolder
from tests.nas.training.jobs import losses, newest, run_folder
from tests.nas.training.processes import command_line, log_of, start, together, train_together

AUGMENT = {"mixup": 0.2, "cutmix": 1.0, "flip": True, "erase": 0.5, "rand_augment": 1}


@pytest.mark.parametrize(
    ("strategy", "count"),
    [
        ("sandwich", 2),
        ("attentive", 3),  # compares losses, and the shares are of different sizes
        ("progressive", 2),
        ("multi_architecture", 2),
        ("proxyless", 2),
        ("gold_nas", 2),
        ("autorep", 2),
        ("snl", 2),
        ("netaug", 2),
    ],
)
def test_processes_end_where_one_ends(tmp_path: Path, strategy: str, count: int) -> None:
    options = {"strategy": strategy, "augment": AUGMENT, "drop_path": 0.2}
    alone, shared = (run_folder(tmp_path / name, **options) for name in "as")
    assert together(1, train_together, alone.path, torch.float64) == [0]
    assert together(count, train_together, shared.path, torch.float64) == [0] * count
    expected = load_file(newest(alone))
    found = load_file(newest(shared))
    assert found.keys() == expected.keys()
    weights = [t for n, t in found.items() if n.startswith("model/") and t.is_floating_point()]
    assert {weight.dtype for weight in weights} == {torch.float64}
    for name, tensor in found.items():
        assert tensor.dtype == expected[name].dtype
        torch.testing.assert_close(tensor, expected[name], rtol=1e-5, atol=1e-5, msg=name)
    for ours, theirs in zip(losses(shared), losses(alone), strict=True):
        numbers = {key for key, value in theirs.items() if isinstance(value, float)}
        assert {k: ours[k] for k in numbers} == pytest.approx({k: theirs[k] for k in numbers})


def same(one: RunFolder, other: RunFolder) -> None:
    """Check that two runs ended bit for bit alike."""
    expected = load_file(newest(other))
    for name, tensor in load_file(newest(one)).items():
        assert torch.equal(tensor, expected[name]), name
    assert losses(one) == losses(other)


def wait_for_step(run: RunFolder, step: int) -> None:
    while not any(run.checkpoints.glob(f"step-*{step:04d}.safetensors")):
        time.sleep(0.001)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("lost", [0, 1])
def test_one_process_ends_and_all_go_on_later(
    tmp_path: Path, number: signal.Signals, lost: int
) -> None:
    whole, parts = (run_folder(tmp_path / name, checkpoint_every_s=0, epochs=6) for name in "wp")
    processes = start(2, train_together, parts.path)
    wait_for_step(parts, 3)
    os.kill(processes[lost].pid or 0, number)
    for process in processes:
        process.join()
    codes = {process.exitcode for process in processes}
    interrupted = InterruptedRunError.exit_code
    if number == signal.SIGTERM:
        assert codes == {interrupted}
        assert log_of(parts.path).read_text().count("Training was stopped by") == 1
    else:
        assert codes == {-number, interrupted}
        assert "Another process of this training is gone" in log_of(parts.path).read_text()
    assert together(2, train_together, parts.path) == [0, 0]
    assert together(2, train_together, whole.path) == [0, 0]
    same(parts, whole)


def test_going_on_in_fewer_processes_says_what_changes(
    tmp_path: Path,
) -> None:
    whole, parts = (run_folder(tmp_path / name, checkpoint_every_s=0) for name in "wp")
    processes = start(2, train_together, parts.path, torch.float64)
    wait_for_step(parts, 3)
    os.kill(processes[1].pid or 0, signal.SIGTERM)
    for process in processes:
        process.join()
    assert together(1, train_together, parts.path, torch.float64) == [0]
    assert "ran in 2 process(es), now in 1" in log_of(parts.path).read_text()
    assert together(1, train_together, whole.path, torch.float64) == [0]
    expected = load_file(newest(whole))
    for name, tensor in load_file(newest(parts)).items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-5, atol=1e-5, msg=name)


def test_a_batch_too_small_for_the_processes(
    tmp_path: Path,
) -> None:
    run = run_folder(tmp_path / "run", batch_size=3)
    assert together(2, train_together, run.path) == [2, 2]
    assert "each needs two images. Allowed is 4 or more" in log_of(run.path).read_text()


CONFIG = """
[space]
name = "mobile_small"
options = { classes = 10, channels = 1, resolutions = [12] }
[data]
format = "digits"
validation = 200
train_limit = 200
[train]
strategy = "single_path"
epochs = 2
batch_size = 40
threads = 1
device = "cpu"
learning_rate = 0.05
checkpoint_every_s = 0
"""


@pytest.mark.slow
def test_torchrun_starts_lost_processes_again(tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="the digits come with scikit-learn")
    (tmp_path / "tiny.toml").write_text(CONFIG, encoding="utf-8")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    torchrun += ["--nproc-per-node", "2", "--max-restarts", "1", "-m"]
    command = ["train", str(tmp_path / "tiny.toml")]
    out = ["--out", str(tmp_path / "killed")]
    job = subprocess.Popen([*torchrun, "nas", *command, *out], stdout=subprocess.PIPE, text=True)
    while not (tmp_path / "killed" / "lock").exists() and job.poll() is None:
        time.sleep(0.01)
    killed = RunFolder.open(tmp_path / "killed")
    wait_for_step(killed, 3)
    first = (killed.path / "lock").read_text().split()[1]  # the process that writes
    os.kill(int(first), signal.SIGKILL)
    output, _ = job.communicate()
    assert job.returncode == 0
    assert f"trained: {killed.path}" in output
    assert together(2, command_line, tmp_path / "whole", *command) == [0, 0]
    same(killed, RunFolder.open(tmp_path / "whole"))
    assert [row["step"] for row in killed.read_metrics()] == [10]


def test_only_the_launch_that_made_a_run_goes_on_with_it_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("sklearn", reason="the digits come with scikit-learn")
    (tmp_path / "tiny.toml").write_text(CONFIG, encoding="utf-8")
    command = ["train", str(tmp_path / "tiny.toml"), "--out", str(tmp_path / "run")]
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "one")
    assert main(command) == 0
    assert main(command) == 2
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    assert main(command) == 0
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "two")
    assert main(command) == 2
    assert capsys.readouterr().err.count("exists and is not empty") == 2


def test_other_commands_refuse_to_run_several_times(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(["search", "any.toml"]) == 2
    assert "only `nas train` runs under torchrun" in capsys.readouterr().err
