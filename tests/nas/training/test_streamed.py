"""Training on images that are decoded meanwhile."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

import nas.training.loop as loop
from nas.data import DataConfig, DataSplits, ImageSet, load_data
from nas.errors import InterruptedRunError
from nas.runs import RunFolder
from nas.training.loop import Recipe
from nas.training.state import TrainState
from nas.training.step import training_step
from nas.world import World
from tests.nas.training.jobs import losses, newest, quadrants, run_folder, tiny_splits, train_run
from tests.nas.training.processes import start

TRAIN = 70  # four steps of 16 and six images left over


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write images as files; the first two pixels say which image it is."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    images = quadrants(TRAIN + 20, 0)
    for i, (image, label) in enumerate(zip(images.images, images.labels.tolist(), strict=True)):
        image[0, 0, :2] = torch.tensor([i // 10, i % 10])
        path = tmp_path / "images" / "abcd"[label] / f"{i:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[0].numpy()).save(path)
    return tmp_path / "images"


def splits(folder: Path, *, streamed: bool) -> DataSplits:
    config = DataConfig(
        format="folder",
        path=str(folder),
        channels=1,
        image_size=12,
        validation=10,
        test_fraction=1 / 9,
        streamed=streamed,
        workers=1,
    )
    return load_data(config, seed=0)


def numbers(images: Tensor) -> list[int]:
    return (images[:, 0, 0, 0].int() * 10 + images[:, 0, 0, 1].int()).tolist()


def test_no_sample_of_an_epoch_is_missed_or_seen_twice_after_a_resume(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[int]] = []

    def remember(recipe: Recipe, state: TrainState, images: Tensor, labels: Tensor) -> object:
        seen.append(numbers(images))
        return training_step(recipe, state, images, labels)

    def stop_at_6(done: int, total: int, text: str) -> None:
        if done == 6:
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(loop, "training_step", remember)
    whole, parts = (run_folder(tmp_path / name) for name in "wp")
    train_run(whole, splits=splits(folder, streamed=False))
    expected, seen = seen, []
    streamed = splits(folder, streamed=True)
    with pytest.raises(InterruptedRunError):
        train_run(parts, splits=streamed, progress=stop_at_6)
    assert len(seen) == 6
    train_run(parts, splits=streamed)
    assert seen == expected
    for epoch in range(4):
        of_epoch = [i for step in seen[4 * epoch : 4 * epoch + 4] for i in step]
        assert len(set(of_epoch)) == len(of_epoch) == 64
    stored = load_file(newest(whole))
    for name, tensor in load_file(newest(parts)).items():
        assert torch.equal(tensor, stored[name]), name
    assert losses(parts) == losses(whole)


def train_from(path: Path, folder: Path) -> None:
    run = RunFolder.open(path)
    with run.lock():
        train_run(run, splits=splits(folder, streamed=True))


def test_the_lock_ends_with_the_process_and_not_with_those_that_decode(
    tmp_path: Path, folder: Path
) -> None:
    run = run_folder(tmp_path / "run", checkpoint_every_s=0, epochs=500)
    (process,) = start(1, train_from, run.path, folder)
    while not list(run.checkpoints.glob("step-*")):
        time.sleep(0.001)
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    with run.lock():
        assert newest(run).exists()


@pytest.mark.parametrize("size", [2, 3, 5])
def test_the_processes_of_a_step_divide_its_images(size: int) -> None:
    for count in (10, 16, 17, 64):
        shares = [World(rank, size).share(count) for rank in range(size)]
        positions = [i for share in shares for i in range(count)[share]]
        assert positions == list(range(count))
        assert all(share.start % 2 == 0 and len(range(count)[share]) >= 2 for share in shares)


def test_both_kinds_of_sets_select_alike(folder: Path) -> None:
    memory, streamed = (splits(folder, streamed=kind).train for kind in (False, True))
    chosen = torch.tensor([5, 0, 7])
    ours, theirs = streamed.select(chosen), memory.select(chosen)
    assert isinstance(ours, ImageSet)
    assert torch.equal(ours.images, theirs.images)
    assert torch.equal(ours.labels, theirs.labels)
    assert tiny_splits().train.shape == streamed.shape
