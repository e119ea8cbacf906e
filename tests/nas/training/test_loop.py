from __future__ import annotations

import json
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from nas.errors import CheckpointError, InterruptedRunError, TrainingError
from nas.training import load_supernet
from search_spaces.supernet import Supernet
from tests.nas.training.jobs import (
    OPTIONS,
    losses,
    newest,
    run_folder,
    tiny_space,
    tiny_splits,
    train_run,
)


@pytest.mark.parametrize("strategy", ["single_path", "fair", "sandwich", "attentive"])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_the_loss_falls(tmp_path: Path, strategy: str, optimizer: str) -> None:
    rate = 0.1 if optimizer == "sgd" else 0.01
    run = run_folder(
        tmp_path / "run", strategy=strategy, optimizer=optimizer, epochs=10, learning_rate=rate
    )
    report = train_run(run)
    rows = run.read_metrics()
    assert report.steps == 40
    assert [row["step"] for row in rows] == [10, 20, 30, 40]
    labels = "loss_largest" if "loss_largest" in rows[0] else "loss"  # the others have soft ones
    assert rows[-1][labels] < 0.9 * rows[0][labels]
    assert rows[-1]["epoch"] == 9
    if strategy in ("sandwich", "attentive"):
        assert {"loss_largest", "loss_smallest", "loss_random"} <= set(rows[0])


def test_progress_is_told_of_every_step(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    train_run(run_folder(tmp_path / "run"), progress=lambda *a: told.append(a[:2]))
    assert told == [(step, 16) for step in range(1, 17)]


def test_training_again_does_nothing(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run")
    train_run(run)
    before = newest(run).read_bytes(), run.metrics_path.read_bytes()
    report = train_run(run)
    assert report.resumed_at == report.steps == 16
    assert (newest(run).read_bytes(), run.metrics_path.read_bytes()) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("strategy", OPTIONS)
def test_interrupted_and_resumed_is_bit_for_bit_the_same(
    tmp_path: Path, strategy: str, optimizer: str, number: signal.Signals
) -> None:
    options = {"strategy": strategy, "optimizer": optimizer}
    whole, parts = (run_folder(tmp_path / name, **options) for name in ("w", "p"))
    train_run(whole)

    def stop_at_7(done: int, total: int, text: str) -> None:
        if done == 7:
            signal.raise_signal(number)

    before = signal.getsignal(number)
    with pytest.raises(InterruptedRunError, match=f"stopped by {number.name} after step 7 of 16"):
        train_run(parts, progress=stop_at_7)
    assert signal.getsignal(number) is before
    assert newest(parts).name == "step-000000007.safetensors"
    assert train_run(parts).resumed_at == 7
    expected = load_file(newest(whole))
    for name, tensor in load_file(newest(parts)).items():
        assert torch.equal(tensor, expected[name]), name
    assert losses(parts) == losses(whole)


@pytest.mark.parametrize("strategy", ["delayed", "progressive", "netaug", "proxyless"])
def test_resumed_in_any_phase_is_bit_for_bit_the_same(tmp_path: Path, strategy: str) -> None:
    whole, parts = (run_folder(tmp_path / name, strategy=strategy) for name in ("w", "p"))
    train_run(whole)

    def stop(done: int, total: int, text: str) -> None:
        if done in (3, 4, 5, 8, 9, 13):  # phases begin with the steps 2, 4 and 8
            signal.raise_signal(signal.SIGINT)

    for _ in range(6):
        with pytest.raises(InterruptedRunError):
            train_run(parts, progress=stop)
    train_run(parts)
    expected = load_file(newest(whole))
    stored = load_file(newest(parts))
    assert set(stored) == set(expected)
    assert any(name.startswith("teacher/") for name in stored) == (strategy == "progressive")
    for name, tensor in stored.items():
        assert torch.equal(tensor, expected[name]), name
    assert losses(parts) == losses(whole)
    assert losses(parts)[0]["phase"] != losses(parts)[-1]["phase"]


def test_metrics_beyond_the_checkpoint_are_not_counted_twice(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run")
    run.append_metrics({"kind": "other", "step": 99})
    run.append_metrics({"kind": "train", "step": 10, "loss": 1.0})  # of a killed process
    train_run(run)
    assert [(r["kind"], r["step"]) for r in run.read_metrics()] == [
        ("other", 99),
        ("train", 10),
        ("train", 16),
    ]


def test_average_is_kept_and_loaded(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run", epochs=1)
    seen: list[dict[str, torch.Tensor]] = []
    net = Supernet(tiny_space(), seed=0)
    expected = {name: p.detach().clone() for name, p in net.named_parameters()}
    run_every = run_folder(tmp_path / "every", epochs=1, checkpoint_every_s=0)

    def remember(done: int, total: int, text: str) -> None:
        if done > 1:  # the checkpoint of the step before
            seen.append(load_file(newest(run_every)))

    train_run(run_every, progress=remember)
    seen.append(load_file(newest(run_every)))
    for step, tensors in enumerate(seen, 1):
        decay = min(0.9, (1 + step) / (10 + step))
        for name, value in expected.items():
            value.lerp_(tensors[f"model/{name}"], 1 - decay)
    train_run(run)
    loaded = dict(load_supernet(run, tiny_space()).named_parameters())
    for name, value in expected.items():
        torch.testing.assert_close(loaded[name].detach(), value)


def test_without_average_the_weights_are_loaded(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run", ema_decay=None, epochs=1)
    train_run(run)
    stored = load_file(newest(run))
    net = load_supernet(run, tiny_space())
    assert not net.training
    for name, parameter in net.named_parameters():
        assert torch.equal(parameter, stored[f"model/{name}"])


def test_loading_what_was_never_trained(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="nothing was trained yet"):
        load_supernet(run_folder(tmp_path / "run"), tiny_space())


def test_loading_for_another_space(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run", epochs=1)
    train_run(run)
    with pytest.raises(CheckpointError, match="space was 'tiny "):
        load_supernet(run, tiny_space(width=32))


def test_resuming_with_another_recipe_names_the_key(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run", epochs=1)
    train_run(run)
    train = run.config.train.model_copy(update={"weight_decay": 0.5})
    changed = replace(run, config=run.config.model_copy(update={"train": train}))
    with pytest.raises(CheckpointError, match=r"train\.weight_decay was 4e-05, now it is 0\.5"):
        train_run(changed)


@pytest.mark.parametrize("key", ["sync_batch_norm", "soft_loss"])
def test_a_key_that_is_newer_than_the_run_means_its_default(tmp_path: Path, key: str) -> None:
    run = run_folder(tmp_path / "run", epochs=1)
    train_run(run)
    tensors = load_file(newest(run))
    with safe_open(newest(run), framework="pt") as file:
        header = json.loads(file.metadata()["checkpoint"])
    del header["about"][f"train.{key}"]
    save_file(tensors, newest(run), {"checkpoint": json.dumps(header)})
    assert train_run(run).resumed_at == 4
    other = {"sync_batch_norm": False, "soft_loss": "alpha_divergence"}
    train = run.config.train.model_copy(update={key: other[key]})
    changed = replace(run, config=run.config.model_copy(update={"train": train}))
    with pytest.raises(CheckpointError, match=rf"train\.{key} was .* now it is .* may change"):
        train_run(changed)


def test_what_may_change_on_a_resume(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run", epochs=1)
    train_run(run)
    train = run.config.train.model_copy(update={"checkpoint_every_s": 1.0, "device": "auto"})
    changed = replace(run, config=run.config.model_copy(update={"train": train}))
    assert train_run(changed).resumed_at == 4


def test_a_loss_that_is_not_finite_stops_and_keeps_the_checkpoint(tmp_path: Path) -> None:
    run = run_folder(
        tmp_path / "run",
        learning_rate=1e30,
        warmup_epochs=0,
        gradient_clip=None,
        checkpoint_every_s=0,
        strategy="single_path",
        ema_decay=None,
    )
    with pytest.raises(
        TrainingError, match=r"learning rate \S+e\+\d\d, architecture \{"
    ) as caught:
        train_run(run)
    assert "loss of the path subnet is nan at step" in str(caught.value)
    assert all(t.isfinite().all() for t in load_file(newest(run)).values())
    load_supernet(run, tiny_space())


def test_a_gradient_that_is_not_finite_is_not_applied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.nn.utils.clip_grad_norm_", lambda *args: torch.tensor(float("inf")))
    with pytest.raises(TrainingError, match="norm of the gradient is inf at step 0"):
        train_run(run_folder(tmp_path / "run"))


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("can't allocate memory: 9 GB")],
)
def test_out_of_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: RuntimeError
) -> None:
    def fail(*args: object) -> None:
        raise error

    monkeypatch.setattr(Supernet, "forward", fail)
    with pytest.raises(TrainingError, match="batch_size = 16"):
        train_run(run_folder(tmp_path / "run"))


def test_other_errors_of_torch_are_not_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise RuntimeError("shape mismatch")

    monkeypatch.setattr(Supernet, "forward", fail)
    with pytest.raises(RuntimeError, match="shape mismatch"):
        train_run(run_folder(tmp_path / "run"))


@pytest.mark.parametrize("batch_size", [1, 65])
def test_a_batch_that_does_not_fit_the_data(tmp_path: Path, batch_size: int) -> None:
    run = run_folder(tmp_path / "run", batch_size=batch_size)
    with pytest.raises(TrainingError, match=f"batch_size = {batch_size} .* 64 training images"):
        train_run(run)


def test_global_random_state_is_neither_used_nor_changed(tmp_path: Path) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first, second = (run_folder(tmp_path / name, epochs=1) for name in "ab")
    train_run(first)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    train_run(second)
    assert newest(first).read_bytes() == newest(second).read_bytes()


def test_the_checkpoint_says_what_it_belongs_to(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run", epochs=1)
    train_run(run)
    with safe_open(newest(run), framework="pt") as file:
        header = json.loads(file.metadata()["checkpoint"])
    assert header["step"] == 4
    assert header["about"]["space"] == f"tiny {tiny_space().fingerprint}"
    assert header["about"]["training images"] == len(tiny_splits().train)
