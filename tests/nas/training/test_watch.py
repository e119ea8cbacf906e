"""Accuracies of subnets and TensorBoard events while a supernet trains."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from nas.config import EvaluateConfig
from nas.errors import DataError, InterruptedRunError, MissingExtraError
from nas.evaluation import SubnetEvaluator
from nas.runs import RunFolder
from nas.training import TrainReport, load_supernet, train
from nas.training.watch import watched_subnets
from predictors import Macs, compile_cost
from search_spaces.progress import Progress, silent
from search_spaces.supernet import Supernet
from tests.nas.training.jobs import losses, newest, run_folder, tiny_space, tiny_splits

EVALUATE = EvaluateConfig(calibration_images=40, batch_size=20)


def train_watched(
    run: RunFolder, *, evaluate: EvaluateConfig = EVALUATE, progress: Progress = silent
) -> TrainReport:
    config = run.config
    return train(
        Supernet(tiny_space(), seed=config.seed),
        tiny_splits(),
        config.train,
        seed=config.seed,
        augment=config.augment,
        run=run,
        evaluate=evaluate,
        progress=progress,
    )


def watched(run: RunFolder) -> list[dict[str, object]]:
    return [row for row in run.read_metrics() if row["kind"] == "subnets"]


def test_the_median_lies_in_the_middle_of_the_space() -> None:
    space = tiny_space()
    macs = compile_cost(space, Macs())
    smallest, median, largest = (macs.of(a) for a in watched_subnets(space).values())
    assert smallest == macs.minimum().value
    assert largest == macs.maximum().value
    costs = macs(space.sample(4000, np.random.default_rng(1)))
    assert float(np.mean(costs < median)) == pytest.approx(0.5, abs=0.06)


def test_three_subnets_are_scored_as_a_search_scores_them(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run", watch_every=6, ema_decay=None)
    train_watched(run)
    rows = watched(run)
    assert [row["step"] for row in rows] == [6, 12, 16]
    evaluator = SubnetEvaluator(load_supernet(run, tiny_space()), tiny_splits(), EVALUATE)
    for name, architecture in watched_subnets(tiny_space()).items():
        assert rows[-1][f"accuracy_{name}"] == evaluator(architecture)["accuracy"].value


def test_watching_changes_nothing_in_the_training_and_goes_on_after_a_stop(tmp_path: Path) -> None:
    plain = run_folder(tmp_path / "plain")
    train_watched(plain)
    whole, parts = (run_folder(tmp_path / name, watch_every=5) for name in "wp")
    train_watched(whole)

    def stop(done: int, total: int, text: str) -> None:
        if done == 7:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(InterruptedRunError):
        train_watched(parts, progress=stop)
    train_watched(parts)
    expected = load_file(newest(plain))
    for run in (whole, parts):
        for name, tensor in load_file(newest(run)).items():
            assert torch.equal(tensor, expected[name]), name
    assert losses(parts) == losses(whole)
    assert len(watched(whole)) == 4


def test_too_few_images_for_calibration_are_noticed_before_the_first_step(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run", watch_every=6)
    with pytest.raises(DataError, match="65 calibration images"):
        train_watched(run, evaluate=EvaluateConfig(calibration_images=65))
    assert not run.read_metrics()


def test_metrics_are_tensorboard_events_too(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="the extra tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = run_folder(tmp_path / "run", watch_every=8, tensorboard=True)

    def stop(done: int, total: int, text: str) -> None:
        if done == 11:  # the line of step 10 is of the first process
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(InterruptedRunError):
        train_watched(run, progress=stop)
    train_watched(run)
    events = EventAccumulator(str(run.path / "tensorboard"))
    events.Reload()
    rows = run.read_metrics()
    for kind, key in (("train", "loss_largest"), ("subnets", "accuracy_median")):
        found = [(e.step, e.value) for e in events.Scalars(f"{kind}/{key}")]
        expected = [(row["step"], row[key]) for row in rows if row["kind"] == kind]
        assert [step for step, _ in found] == [step for step, _ in expected]
        assert [v for _, v in found] == pytest.approx([v for _, v in expected], rel=1e-6)
    assert {"train/learning_rate", "train/images_per_s"} <= set(events.Tags()["scalars"])


def test_without_tensorboard_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    run = run_folder(tmp_path / "run", tensorboard=True)
    with pytest.raises(MissingExtraError, match=r"subnet-search\[tensorboard\]"):
        train_watched(run)
