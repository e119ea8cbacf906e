"""What goes wrong while training: a clear message, a checkpoint that loads, and going on after."""

from __future__ import annotations

import os
import resource
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from nas.data import StreamedSet
from nas.data.decode import Encoded
from nas.data.sources import ImageSource
from nas.errors import InterruptedRunError
from nas.runs import RunFolder
from nas.training import load_supernet
from nas.training.state import TrainState
from tests.nas.training.jobs import losses, newest, run_folder, tiny_space, train_run
from tests.nas.training.processes import log_of, start, together, train_together
from tests.nas.training.test_streamed import folder, splits  # noqa: F401


def stopped_at_3(run: RunFolder) -> None:
    def stop(done: int, total: int, text: str) -> None:
        if done == 3:
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(InterruptedRunError):
        train_run(run, progress=stop)


def fails(work: object, run: RunFolder, *arguments: object) -> str:
    """Run something that fails as bad input does; return what it said."""
    (process,) = start(1, work, run.path, *arguments)  # type: ignore[arg-type]
    process.join()
    assert process.exitcode == 2, log_of(run.path).read_text()
    return log_of(run.path).read_text()


def goes_on(run: RunFolder, whole: RunFolder) -> None:
    """Check that the checkpoint loads and that the end is that of an undisturbed run."""
    load_supernet(run, tiny_space())
    assert together(1, train_together, run.path) == [0]
    train_run(whole)
    expected = load_file(newest(whole))
    for name, tensor in load_file(newest(run)).items():
        assert torch.equal(tensor, expected[name]), name
    assert losses(run) == losses(whole)


def train_with_small_files(path: Path) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
    train_together(path)


def test_a_full_disk(tmp_path: Path) -> None:
    run, whole = (run_folder(tmp_path / name, epochs=2) for name in "rw")
    stopped_at_3(run)
    said = fails(train_with_small_files, run)
    assert "disk full while writing" in said
    assert "a run goes on with --resume" in said
    assert newest(run).name == "step-000000003.safetensors"
    goes_on(run, whole)


def train_with_little_memory(path: Path) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * os.sysconf("SC_PAGE_SIZE") + (64 << 20)
    real = TrainState.average

    def hungry(self: TrainState, decay: float) -> None:
        torch.empty(1 << 30).zero_()
        real(self, decay)

    TrainState.average = hungry  # type: ignore[method-assign]
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
    train_together(path)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux")
def test_memory_runs_out(tmp_path: Path) -> None:
    run, whole = (run_folder(tmp_path / name, epochs=2) for name in "rw")
    stopped_at_3(run)
    said = fails(train_with_little_memory, run)
    assert "Memory ran out on cpu with train.batch_size = 16. The last checkpoint is kept" in said
    goes_on(run, whole)


def train_with_a_bad_loss(path: Path) -> None:
    from nas.training import losses as functions

    real, calls = functions.cross_entropy, iter(range(1000))

    def sometimes(*arguments: Tensor, **options: float) -> Tensor:
        loss: Tensor = real(*arguments, **options)  # type: ignore[arg-type]
        return loss * float("nan") if next(calls) == 5 else loss

    functions.cross_entropy = sometimes  # type: ignore[assignment]
    train_together(path)


def test_a_loss_that_is_not_a_number(tmp_path: Path) -> None:
    run, whole = (run_folder(tmp_path / name, epochs=2) for name in "rw")
    stopped_at_3(run)
    said = fails(train_with_a_bad_loss, run)
    assert "loss of the random subnet is nan at step 4, learning rate" in said
    goes_on(run, whole)


class Deadly:
    """A source whose process dies of one image, once."""

    def __init__(self, source: ImageSource, victim: int, died: Path) -> None:
        self.source, self.victim, self.died = source, victim, died

    def __call__(self, index: int) -> Encoded:
        if index == self.victim and not self.died.exists():
            self.died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return self.source(index)


def train_on_deadly_images(path: Path, images: Path) -> None:
    streamed = splits(images, streamed=True)
    assert isinstance(streamed.train, StreamedSet)
    deadly = Deadly(
        streamed.train.source, int(streamed.train.numbers[40]), path.with_suffix(".died")
    )
    with (run := RunFolder.open(path)).lock():
        train = replace(streamed.train, source=deadly)  # type: ignore[arg-type]
        train_run(run, splits=replace(streamed, train=train))


def test_a_process_that_decodes_dies(tmp_path: Path, folder: Path) -> None:  # noqa: F811
    run, whole = (run_folder(tmp_path / name, checkpoint_every_s=0, epochs=2) for name in "rw")
    said = fails(train_on_deadly_images, run, folder)
    assert "A process that decodes images is gone" in said
    assert together(1, train_on_deadly_images, run.path, folder) == [0]
    train_run(whole, splits=splits(folder, streamed=False))
    expected = load_file(newest(whole))
    for name, tensor in load_file(newest(run)).items():
        assert torch.equal(tensor, expected[name]), name
