"""Real kills: a training process dies of SIGKILL and a new one goes on."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import pkgutil
import signal
import sys
import time
from multiprocessing.context import ForkServerContext
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from nas.errors import InterruptedRunError
from nas.rng import stream
from nas.runs import RunFolder
from tests.nas.training.jobs import STAGES, losses, newest, run_folder, train_run

# How often a training of 40 steps is killed, each time at a random moment of its work.
KILLS, EPOCHS = 20, (3, 3, 4)
LONG_STAGES = [
    {**stage, "epochs": epochs} for stage, epochs in zip(STAGES, (3, 3, 4), strict=True)
]


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


def same_end(context: ForkServerContext, killed: RunFolder, whole: RunFolder) -> None:
    """Train both to the end and check that they end bit for bit alike."""
    expected = finished(context, whole)
    for name, tensor in finished(context, killed).items():
        assert torch.equal(tensor, expected[name]), name
    assert losses(killed) == losses(whole)
    assert not list(killed.checkpoints.glob(".*"))


def test_killed_at_many_moments_ends_bit_for_bit_the_same(
    tmp_path: Path, processes: ForkServerContext
) -> None:
    """In steps, in front of phases, while checkpoints are written: wherever the moment falls."""
    options = {"strategy": "progressive", "stages": LONG_STAGES, "ema_decay": 0.9}
    killed, whole = (run_folder(tmp_path / name, checkpoint_every_s=0, **options) for name in "kw")
    rng = stream(0, "moments of kills")
    steps = np.sort(rng.integers(0, 36, KILLS))
    codes = [
        signal_after(processes, killed, step=int(step), delay=delay, number=signal.SIGKILL)
        for step, delay in zip(steps, rng.uniform(0.0, 0.03, KILLS), strict=True)
    ]
    assert codes.count(-signal.SIGKILL) >= KILLS // 2  # a fast machine may end before the last
    same_end(processes, killed, whole)


def die(*arguments: object, **options: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def work_and_die(path: Path, where: str, step: int) -> None:
    """Train until a step, and die at a certain place."""
    count = itertools.count()
    module, _, name = where.rpartition(".")
    owner = pkgutil.resolve_name(module)
    real = getattr(owner, name)

    def sometimes(*arguments: object, **options: object) -> object:
        if next(count) == step:
            if name == "save_file":  # half of it
                Path(str(arguments[1])).write_bytes(b"half" * 100)
            die()
        return real(*arguments, **options)

    setattr(owner, name, sometimes)
    work(path)


@pytest.mark.parametrize(
    ("where", "step"),
    [
        ("nas.tensor_files.save_file", 5),
        ("search_spaces.files.os.replace", 5),
        ("nas.training.state.TrainState.sort_channels", 1),
        ("nas.training.state.TrainState.restart_optimizer", 0),
        ("nas.runs.RunFolder.append_metrics", 1),
    ],
)
def test_killed_in_the_middle_of_something(
    tmp_path: Path, processes: ForkServerContext, where: str, step: int
) -> None:
    options = {"strategy": "progressive", "optimizer": "adamw"}
    killed, whole = (run_folder(tmp_path / name, checkpoint_every_s=0, **options) for name in "kw")
    process = processes.Process(target=work_and_die, args=(killed.path, where, step))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    same_end(processes, killed, whole)


def test_terminated_exits_as_resumable(tmp_path: Path, processes: ForkServerContext) -> None:
    run = run_folder(tmp_path / "run", checkpoint_every_s=0, epochs=500)
    code = signal_after(processes, run, step=2, delay=0.01, number=signal.SIGTERM)
    assert code == InterruptedRunError.exit_code
    assert 2 <= steps_stored(run) < 2000
