"""Real kills: a training process dies of SIGKILL and a new one goes on."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from nas.errors import InterruptedRunError
from nas.runs import RunFolder
from tests.nas.training.jobs import losses, newest, run_folder, train_run

# Killed while about so many steps were done, some in a step and some in a checkpoint's writing.
KILLS = ((1, 0.0), (3, 0.004), (5, 0.008), (8, 0.002), (11, 0.012), (14, 0.006))


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    """Start processes from a server that has torch imported already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.nas.training.jobs"])
    return context


def work(path: Path) -> None:
    """Train in a process of its own; exit as the command line does."""
    torch.set_num_threads(1)
    run = RunFolder.open(path)
    try:
        with run.lock():
            train_run(run)
    except InterruptedRunError as error:
        sys.exit(error.exit_code)


def steps_stored(run: RunFolder) -> int:
    stored = sorted(run.checkpoints.glob("step-*.safetensors"))
    return int(stored[-1].stem.removeprefix("step-")) if stored else 0


def signal_after(
    context: ForkServerContext, run: RunFolder, *, step: int, delay: float, number: signal.Signals
) -> int | None:
    """Start a process, signal it soon after `step` is stored, and return its exit code."""
    process = context.Process(target=work, args=(run.path,))
    process.start()
    while process.is_alive() and steps_stored(run) < step:
        time.sleep(0.0005)
    time.sleep(delay)
    if process.pid is not None and process.is_alive():
        os.kill(process.pid, number)
    process.join()
    return process.exitcode


def finished(context: ForkServerContext, run: RunFolder) -> dict[str, torch.Tensor]:
    """Train to the end in a new process and return the last checkpoint."""
    process = context.Process(target=work, args=(run.path,))
    process.start()
    process.join()
    assert process.exitcode == 0
    return load_file(newest(run))


@pytest.mark.parametrize("strategy", ["sandwich", "progressive", "gold_nas"])
def test_killed_at_many_moments_ends_bit_for_bit_the_same(
    tmp_path: Path, processes: ForkServerContext, strategy: str
) -> None:
    killed, whole = (
        run_folder(tmp_path / name, checkpoint_every_s=0, strategy=strategy) for name in "kw"
    )
    codes = [
        signal_after(processes, killed, step=step, delay=delay, number=signal.SIGKILL)
        for step, delay in KILLS
    ]
    assert codes.count(-signal.SIGKILL) >= 3  # a fast machine may finish before the last ones
    expected = finished(processes, whole)
    for name, tensor in finished(processes, killed).items():
        assert torch.equal(tensor, expected[name]), name
    assert losses(killed) == losses(whole)
    assert not list(killed.checkpoints.glob(".*"))


def test_terminated_exits_as_resumable(tmp_path: Path, processes: ForkServerContext) -> None:
    run = run_folder(tmp_path / "run", checkpoint_every_s=0, epochs=500)
    code = signal_after(processes, run, step=2, delay=0.01, number=signal.SIGTERM)
    assert code == InterruptedRunError.exit_code
    assert 2 <= steps_stored(run) < 2000
