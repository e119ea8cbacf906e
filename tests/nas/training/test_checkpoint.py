from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from nas.errors import CheckpointError, RunError, TrainingError
from nas.training.checkpoint import Checkpoint, newest_checkpoint, save_checkpoint

ABOUT = {"space": "tiny 0123", "train.epochs": 4}


def checkpoint(step: int, size: int = 3) -> Checkpoint:
    tensors = {"model/w": torch.arange(float(size)) + step, "ema/w": torch.ones(2, 2).t()}
    return Checkpoint(step, tensors, ABOUT, {"losses": [("path", 0.5)]})


def truncate(path: Path, keep: float = 0.7) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])


def test_round_trip(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, checkpoint(7))
    stored = newest_checkpoint(tmp_path, ABOUT)
    assert stored is not None
    assert stored.step == 7
    assert stored.notes == {"losses": [["path", 0.5]]}
    assert torch.equal(stored.part("model")["w"], torch.tensor([7.0, 8.0, 9.0]))
    assert set(stored.part("ema")) == {"w"}


def test_none_stored(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path, ABOUT) is None


def test_the_last_two_are_kept(tmp_path: Path) -> None:
    for step in (9, 10, 100, 1000):
        save_checkpoint(tmp_path, checkpoint(step))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["step-000000100.safetensors", "step-000001000.safetensors"]


@pytest.mark.parametrize("keep", [0.0, 0.001, 0.5, 0.99])
def test_a_truncated_one_gives_way_to_the_one_before(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, keep: float
) -> None:
    save_checkpoint(tmp_path, checkpoint(1))
    truncate(save_checkpoint(tmp_path, checkpoint(2)), keep)
    with caplog.at_level(logging.WARNING):
        stored = newest_checkpoint(tmp_path, ABOUT)
    assert stored is not None
    assert stored.step == 1
    assert "step-000000002.safetensors is missing, truncated or damaged" in caplog.text
    assert "from step-000000001.safetensors instead" in caplog.text


def test_all_damaged(tmp_path: Path) -> None:
    for step in (1, 2):
        truncate(save_checkpoint(tmp_path, checkpoint(step)))
    with pytest.raises(CheckpointError, match=r"(?s)step-000000002.*step-000000001.*new run"):
        newest_checkpoint(tmp_path, ABOUT)


def test_a_foreign_file(tmp_path: Path) -> None:
    save_file({"w": torch.ones(2)}, tmp_path / "step-000000005.safetensors")
    with pytest.raises(CheckpointError, match="no training checkpoint of this engine"):
        newest_checkpoint(tmp_path, ABOUT)


def test_another_training_names_what_differs(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, checkpoint(1))
    with pytest.raises(CheckpointError, match=r"train\.epochs was 4, now it is 8\."):
        newest_checkpoint(tmp_path, {**ABOUT, "train.epochs": 8})


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, checkpoint(1))
    bad = Checkpoint(2, {"model/w": torch.tensor([1.0, float("nan")])}, ABOUT, {})
    with pytest.raises(TrainingError, match="model/w holds NaN or infinity after step 2"):
        save_checkpoint(tmp_path, bad)
    stored = newest_checkpoint(tmp_path, ABOUT)
    assert stored is not None
    assert stored.step == 1


def test_a_full_disk_leaves_the_one_before(small_disk: Path) -> None:
    save_checkpoint(small_disk, checkpoint(1))
    with pytest.raises(RunError, match="disk full"):
        save_checkpoint(small_disk, checkpoint(2, size=1 << 20))
    assert getattr(newest_checkpoint(small_disk, ABOUT), "step", None) == 1
    assert len(list(small_disk.iterdir())) == 1
