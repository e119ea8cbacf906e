"""Training and scoring on a CUDA GPU give what a CPU gives."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

import nas.training.loop as loop
from nas.config import EvaluateConfig
from nas.errors import InterruptedRunError
from nas.evaluation import SubnetEvaluator
from nas.runs import RunFolder
from nas.training import load_supernet
from nas.training.step import training_step
from search_spaces import SearchSpace
from tests.nas.training.jobs import (
    OPTIONS,
    SPACES,
    losses,
    newest,
    operation_space,
    present_space,
    run_folder,
    tiny_config,
    tiny_resnet,
    tiny_space,
    tiny_splits,
    train_run,
)
from tests.nas.training.processes import together, train_together

pytestmark = pytest.mark.gpu

WITHOUT_DROPOUT: dict[
    Callable[[], SearchSpace], Callable[[], SearchSpace]
] = {  # a GPU draws other numbers
    tiny_space: partial(tiny_space, dropout=0.0),
    operation_space: partial(operation_space, dropout=0.0),
    present_space: partial(present_space, dropout=0.0),
    tiny_resnet: tiny_resnet,
}
# RandAugment interpolates, and one pixel in thousands is then rounded to the other level.
AUGMENT = {"mixup": 0.2, "cutmix": 1.0, "flip": True, "erase": 0.5}


@pytest.fixture
def exact() -> Iterator[None]:
    """Compute in float64, so that what is left of a difference is not rounding."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def space_for(strategy: str) -> SearchSpace:
    """Return a space for a strategy, without dropout."""
    return WITHOUT_DROPOUT[SPACES.get(strategy, tiny_space)]()


def trained(path: Path, **options: Any) -> RunFolder:
    """Train a run to its end."""
    run = run_folder(path, amp=False, **options)
    train_run(run, space=space_for(run.config.train.strategy))
    return run


def assert_alike(one: RunFolder, other: RunFolder, tolerance: float = 1e-6) -> None:
    """Check that two runs ended alike and had the same losses on the way."""
    expected = load_file(newest(other))
    found = load_file(newest(one))
    assert found.keys() == expected.keys()
    for name, tensor in found.items():
        torch.testing.assert_close(
            tensor, expected[name], rtol=tolerance, atol=tolerance, msg=name
        )
    for ours, theirs in zip(losses(one), losses(other), strict=True):
        numbers = {key for key, value in theirs.items() if isinstance(value, float)}
        assert {k: ours[k] for k in numbers} == pytest.approx(
            {k: theirs[k] for k in numbers}, rel=max(tolerance, 1e-6)
        )


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("strategy", OPTIONS)
def test_a_gpu_ends_where_a_cpu_ends(tmp_path: Path, strategy: str) -> None:
    options = {"strategy": strategy, "augment": AUGMENT}
    cpu = trained(tmp_path / "cpu", **options, device="cpu")
    gpu = trained(tmp_path / "gpu", **options, device="cuda")
    assert_alike(gpu, cpu)


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_training_moves_between_gpu_and_cpu(tmp_path: Path, optimizer: str) -> None:
    """It is stopped on the GPU and goes on on the CPU, and the other way round."""
    whole = trained(tmp_path / "whole", optimizer=optimizer, device="cpu")

    def stop_at_6(done: int, total: int, text: str) -> None:
        if done == 6:
            signal.raise_signal(signal.SIGTERM)

    for first, second in (("cuda", "cpu"), ("cpu", "cuda")):
        run = run_folder(tmp_path / first, amp=False, optimizer=optimizer, device=first)
        space = space_for(run.config.train.strategy)
        with pytest.raises(InterruptedRunError):
            train_run(run, space=space, progress=stop_at_6)
        moved = tiny_config(amp=False, optimizer=optimizer, device=second)
        train_run(run.with_config(moved), space=space)
        assert_alike(run, whole)


@pytest.mark.usefixtures("exact")
def test_images_that_do_not_fit_are_copied_batch_by_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lie_there = trained(tmp_path / "there", device="cuda")
    copied: list[bool] = []

    def remember(recipe: Any, state: Any, images: Tensor, labels: Tensor) -> Any:
        copied.append(images.is_cuda and labels.is_cuda)
        return step(recipe, state, images, labels)

    step = training_step
    monkeypatch.setattr(loop, "training_step", remember)
    monkeypatch.setattr(loop, "_fits", lambda image_set, device: False)
    assert_alike(trained(tmp_path / "copied", device="cuda"), lie_there)
    assert copied
    assert all(copied)


@pytest.mark.parametrize("strategy", ["single_path", "sandwich", "progressive"])
def test_mixed_precision_stays_near(tmp_path: Path, strategy: str) -> None:
    """Weights are float32 and finite, and the losses those of float32 to what bfloat16 has."""
    plain = trained(tmp_path / "plain", strategy=strategy, device="cuda")
    mixed = run_folder(tmp_path / "mixed", strategy=strategy, device="cuda", amp=True)
    train_run(mixed, space=space_for(strategy))
    weights = [t for t in load_file(newest(mixed)).values() if t.is_floating_point()]
    assert {weight.dtype for weight in weights} == {torch.float32}
    assert all(weight.isfinite().all() for weight in weights)
    for ours, theirs in zip(losses(mixed), losses(plain), strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], abs=0.1)


def test_subnets_score_alike(tmp_path: Path) -> None:
    run = trained(tmp_path / "run", device="cuda")
    space, splits = tiny_space(dropout=0.0), tiny_splits()
    architectures = space.decode_all(space.enumerated)
    settings = EvaluateConfig(calibration_images=64)
    there, here = (
        SubnetEvaluator(load_supernet(run, space), splits, settings, device=device)
        for device in ("cuda", "cpu")
    )
    for architecture in architectures:
        found, expected = (e(architecture)["accuracy"].value for e in (there, here))
        assert found == pytest.approx(expected, abs=2 / 60)  # images between two classes


def test_one_process_of_several_takes_its_gpu(tmp_path: Path) -> None:
    """Gradients and weights travel by NCCL."""
    if (count := torch.cuda.device_count()) < 2:
        pytest.skip("needs two GPUs")
    alone, shared = (run_folder(tmp_path / name, device="cuda", amp=False) for name in "as")
    assert together(1, train_together, alone.path, torch.float64) == [0]
    assert together(count, train_together, shared.path, torch.float64) == [0] * count
    assert_alike(shared, alone, 1e-5)


def test_several_processes_on_the_cpu_of_a_machine_with_a_gpu(tmp_path: Path) -> None:
    """There are more processes than GPUs, and none is asked for."""
    count = torch.cuda.device_count() + 1
    run = run_folder(tmp_path / "run", device="cpu")
    assert together(count, train_together, run.path) == [0] * count
