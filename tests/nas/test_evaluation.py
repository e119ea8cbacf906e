from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn
from torch.testing import assert_close

from nas.config import EvaluateConfig
from nas.data import ImageSet, calibration_subset, normalise, resize
from nas.errors import ConfigError, DataError, SpaceError
from nas.evaluation import SubnetEvaluator, accuracy, recalibrate
from nas.training import load_supernet
from search_spaces import Architecture, get_space
from search_spaces.supernet import Supernet
from tests.nas.training.jobs import (
    quadrants,
    run_folder,
    tiny_space,
    tiny_splits,
    train_run,
)

CPU = torch.device("cpu")
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.3, 0.25)


def subnet_of(name: str, seed: int = 0, **options: Any) -> tuple[nn.Module, int]:
    space = get_space(name, **options)
    architecture = space.decode(space.sample(1, np.random.default_rng(seed))[0])
    return Supernet(space).subnet(architecture), space.resolution_of(architecture)


def random_images(n: int, size: int = 24) -> Tensor:
    generator = torch.Generator().manual_seed(n)
    return torch.randint(0, 256, (n, 3, size, size), generator=generator).to(torch.uint8)


def running(model: nn.Module) -> dict[str, Tensor]:
    return {name: b.clone() for name, b in model.named_buffers() if "running" in name}


def prepared(images: Tensor, resolution: int) -> Tensor:
    return resize(normalise(images, MEAN, STD), resolution)


def recalibrated(subnet: nn.Module, images: Tensor, resolution: int, batch_size: int) -> nn.Module:
    subnet = copy.deepcopy(subnet)
    recalibrate(
        subnet,
        images,
        resolution=resolution,
        mean=MEAN,
        std=STD,
        batch_size=batch_size,
        device=CPU,
    )
    return subnet


SPACES: list[tuple[str, dict[str, Any]]] = [
    ("mobile_small", {"dropout": 0.5}),
    ("spos_shufflenet_v2", {"resolution": 64}),
]


@pytest.mark.parametrize(("name", "options"), SPACES)
def test_statistics_are_those_of_torchs_update_bn(name: str, options: dict[str, Any]) -> None:
    subnet, resolution = subnet_of(name, **options)
    images = random_images(30)
    ours = recalibrated(subnet, images, resolution, 10)
    update_bn([prepared(batch, resolution) for batch in torch.split(images, 10)], subnet)
    # The layouts in memory differ, and 60 layers of few positions each amplify the rounding.
    theirs = running(subnet)
    for key, value in running(ours).items():
        if key.endswith("running_var"):
            assert_close(value, theirs[key], rtol=1e-3, atol=1e-6, msg=key)
        else:
            std = theirs[key.replace("running_mean", "running_var")].sqrt()
            assert_close(value / std, theirs[key] / std, rtol=0.0, atol=1e-3, msg=key)


@pytest.mark.parametrize(("name", "options"), SPACES)
def test_statistics_are_those_of_fvcores_precise_bn(name: str, options: dict[str, Any]) -> None:
    precise_bn = pytest.importorskip("fvcore.nn.precise_bn")
    subnet, resolution = subnet_of(name, **options)
    images = random_images(32)
    ours = running(recalibrated(subnet, images, resolution, 32))
    precise_bn.update_bn_stats(subnet.train(), [prepared(images, resolution)], num_iters=1)
    # With one batch both are its statistics, but for Bessel's correction of at most
    # 1 / (32 * 2 * 2) in the smallest layer.
    for key, expected in running(subnet).items():
        assert_close(ours[key], expected, rtol=0.01, atol=1e-5, msg=key)


def test_statistics_of_the_first_layer_against_float64() -> None:
    subnet, resolution = subnet_of("mobile_small")
    images = random_images(25)
    ours = running(recalibrated(subnet, images, resolution, 9))
    conv = next(m for m in subnet.modules() if isinstance(m, nn.Conv2d)).double()
    means, variances = [], []
    for batch in images.tensor_split(3):  # of 9, 8 and 8, each counting the same
        pixels = conv(prepared(batch, resolution).double())
        means.append(pixels.mean((0, 2, 3)))
        variances.append(pixels.var((0, 2, 3)))
    mean, var = list(ours.values())[:2]
    assert_close(mean.double(), torch.stack(means).mean(0), rtol=1e-5, atol=1e-6)
    assert_close(var.double(), torch.stack(variances).mean(0), rtol=1e-5, atol=1e-6)


def test_recalibration_changes_statistics_only() -> None:
    subnet, resolution = subnet_of("mobile_small", dropout=0.5)
    generator_state = torch.get_rng_state()
    after = recalibrated(subnet.train(), random_images(20), resolution, 10)
    assert torch.equal(torch.get_rng_state(), generator_state)  # dropout is off
    assert not any(module.training for module in after.modules())
    momenta = {m.momentum for m in after.modules() if isinstance(m, nn.BatchNorm2d)}
    assert momenta == {0.1}
    for (name, p), q in zip(subnet.named_parameters(), after.parameters(), strict=True):
        assert torch.equal(p, q), name
    again = recalibrated(after, random_images(20), resolution, 10)
    for name, buffer in after.named_buffers():
        assert torch.equal(buffer, dict(again.named_buffers())[name]), name


@pytest.mark.parametrize(("count", "batch_size"), [(1, 10), (5, 1), (5, 2)])
def test_a_batch_of_one_image_has_no_statistics(count: int, batch_size: int) -> None:
    subnet, resolution = subnet_of("mobile_small")
    with pytest.raises(ConfigError, match=f"{count} calibration images .* at most {batch_size}"):
        recalibrated(subnet, random_images(count), resolution, batch_size)


@pytest.mark.parametrize("batch_size", [1, 7, 100])
def test_accuracy_is_the_share_of_right_answers(batch_size: int) -> None:
    subnet, resolution = subnet_of("mobile_small")
    images = random_images(40)
    subnet = recalibrated(subnet, images, resolution, 40)
    predicted = subnet(prepared(images, resolution)).argmax(1)
    labels = predicted.clone()
    labels[:13] = (labels[:13] + 1) % 10
    value = accuracy(
        subnet,
        ImageSet(images, labels, tuple("0123456789")),
        resolution=resolution,
        mean=MEAN,
        std=STD,
        batch_size=batch_size,
        device=CPU,
    )
    assert value == 27 / 40


LARGEST = Architecture({"resolution": 12, "width": 16, "depth": 2, "kernel": 5, "expand": 2})
SMALLEST = Architecture({"resolution": 8, "width": 8, "depth": 1, "kernel": 3, "expand": 1})


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Supernet:
    run = run_folder(tmp_path_factory.mktemp("run") / "run", epochs=30, learning_rate=0.1)
    train_run(run, splits=tiny_splits(128))
    return load_supernet(run, tiny_space())


def evaluator(supernet: Supernet, **options: Any) -> SubnetEvaluator:
    config = EvaluateConfig(**{"calibration_images": 40, "batch_size": 20, **options})
    return SubnetEvaluator(supernet, tiny_splits(), config, device="cpu")


@pytest.mark.parametrize("architecture", [LARGEST, SMALLEST])
def test_inherited_weights_score_well_once_recalibrated(
    trained: Supernet, architecture: Architecture
) -> None:
    metric = evaluator(trained)(architecture)["accuracy"]
    assert metric.value > 0.9
    spoilt = copy.deepcopy(trained)  # running statistics of a supernet are nobody's
    for buffer in spoilt.buffers():
        buffer.fill_(7)
    assert evaluator(spoilt)(architecture)["accuracy"] == metric


def test_a_metric_says_where_it_came_from(trained: Supernet) -> None:
    evaluate = evaluator(trained, calibration_seed=5)
    validated = evaluate(SMALLEST)
    assert set(validated) == {"accuracy"}
    provenance = validated["accuracy"].provenance
    assert provenance.kind == "measured"
    assert provenance.source == (
        "validation split, 60 images; batch norm recalibrated on 40 training images, seed 5"
    )
    tested = evaluate.score(evaluate.subnet(SMALLEST), SMALLEST, split="test")
    assert tested.provenance.source.startswith("test split, 60 images;")


def test_the_same_architecture_scores_the_same(trained: Supernet) -> None:
    first = evaluator(trained)
    value = first(LARGEST)
    first(SMALLEST)
    assert first(LARGEST) == value == evaluator(trained)(LARGEST)


def test_evaluation_leaves_the_supernet_as_it_is(trained: Supernet) -> None:
    before = copy.deepcopy(trained.state_dict())
    evaluator(trained)(LARGEST)
    for name, tensor in trained.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_calibration_images_are_training_images_chosen_by_the_seed(
    trained: Supernet, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Tensor] = []
    monkeypatch.setattr(
        "nas.evaluation.recalibrate", lambda subnet, images, **_: seen.append(images)
    )
    for seed in (0, 1):
        evaluator(trained, calibration_seed=seed).subnet(LARGEST)
        expected = calibration_subset(quadrants(64, 0), 40, seed=seed)
        assert torch.equal(seen[-1], expected.images)
    assert not torch.equal(seen[0], seen[1])


def test_too_many_calibration_images(trained: Supernet) -> None:
    with pytest.raises(DataError, match="65 calibration images"):
        evaluator(trained, calibration_images=65)


def test_an_architecture_of_another_space(trained: Supernet) -> None:
    with pytest.raises(SpaceError):
        evaluator(trained)(Architecture({"width": 3}))


WITHOUT_EXTRAS = """
import sys
for name in ("fvcore", "nni", "onnx", "onnxruntime", "onnxscript", "optuna", "sklearn", "scipy"):
    sys.modules[name] = None
from pathlib import Path
from nas.config import EvaluateConfig
from nas.evaluation import SubnetEvaluator
from nas.training import load_supernet
from tests.nas.training.jobs import run_folder, tiny_space, tiny_splits, train_run
run = run_folder(Path(sys.argv[1]), epochs=1)
train_run(run)
supernet = load_supernet(run, tiny_space())
config = EvaluateConfig(calibration_images=20)
evaluate = SubnetEvaluator(supernet, tiny_splits(), config, device="cpu")
evaluate(supernet.space.decode([0, 0, 0, 0, 0]))
"""


def test_training_and_evaluation_need_no_optional_package(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", WITHOUT_EXTRAS, str(tmp_path / "run")]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
