"""Fine-tuning resumes, learns from the frozen largest network, and leaves the run alone."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from nas.archive import Evaluated
from nas.errors import CheckpointError, ConfigError, InterruptedRunError
from nas.finetuning import finetune_subnet, finetuned_run
from nas.runs import RunFolder
from nas.training import load_supernet
from search_spaces import Architecture
from tests.nas.training.jobs import newest, run_folder, tiny_space, tiny_splits, train_run

SMALLEST = Architecture({"resolution": 8, "width": 8, "depth": 1, "kernel": 3, "expand": 1})
OPTIONS = {"epochs": 2, "learning_rate": 0.01, "warmup_epochs": 0.0, "teacher_weight": 1.0}


def trained(path: Path) -> RunFolder:
    run = run_folder(path, epochs=1)
    train_run(run)
    return run


def tune(run: RunFolder, progress: object = None) -> RunFolder:
    space = tiny_space()
    row = Evaluated(space.id_of(SMALLEST), SMALLEST, {}, order=1)
    tuned = finetuned_run(run, space, row, OPTIONS)
    told = progress if callable(progress) else lambda *a: None
    finetune_subnet(run, tuned, space, SMALLEST, tiny_splits(), progress=told)
    return tuned


def test_interrupted_and_resumed_is_bit_for_bit_the_same(tmp_path: Path) -> None:
    run, other = trained(tmp_path / "a"), trained(tmp_path / "b")
    before = newest(run).read_bytes()
    whole = load_file(newest(tune(run)))

    def stop(done: int, total: int, text: str) -> None:
        if done == 3:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(InterruptedRunError):
        tune(other, stop)
    parts = load_file(newest(tune(other)))
    assert set(parts) == set(whole)
    for name, tensor in parts.items():
        assert torch.equal(tensor, whole[name]), name
    assert newest(run).read_bytes() == before


def test_it_starts_from_the_inherited_weights_and_keeps_the_teacher(tmp_path: Path) -> None:
    run = trained(tmp_path / "a")
    supernet = load_supernet(run, tiny_space())
    inherited = supernet.subnet(SMALLEST).state_dict()
    stored = load_file(newest(tune(run)))
    for name, tensor in supernet.state_dict().items():
        assert torch.equal(stored[f"teacher/{name}"], tensor), name
    for name, tensor in stored.items():
        if name.startswith("model/") and "running" not in name:
            start = inherited[name.removeprefix("model/")]
            assert tensor.shape == start.shape
            assert 0 < (tensor - start).norm() < 0.5 * start.norm() + 0.1, name


@pytest.mark.parametrize(
    "options",
    [
        {"freeze": ["stam"]},
        {"inner_weight": 1.0, "inner_slots": ["secnd"]},
        {"inner_weight": 1.0, "inner_slots": ["second"]},  # the smallest subnet has none
    ],
)
def test_a_slot_that_is_not_there_leaves_no_fine_tuning(
    options: dict[str, object], tmp_path: Path
) -> None:
    run, space = trained(tmp_path / "a"), tiny_space()
    row = Evaluated(space.id_of(SMALLEST), SMALLEST, {}, order=1)
    with pytest.raises(ConfigError, match=r"^train\.(freeze|inner_slots)"):
        finetuned_run(run, space, row, {**OPTIONS, **options})
    assert not run.finetuned(row.id).exists()


def test_an_untrained_run_cannot_be_tuned(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="nothing was trained yet"):
        tune(run_folder(tmp_path / "run"))
