"""Images a second of supernet training on a GPU, against subnets alone and a plain ResNet-50.

    python benchmarks/gpu_step.py [--device cuda] [--batch 128] [--resolution 224] [--steps 30]
        [--only '*alone' 'supernet*']

Every step is that of `nas train` with the defaults of a GPU: bfloat16, channels last, fused
optimizer, images on the device, no augmentation. Alone are the smallest and the largest subnet of
once-for-all's MobileNetV3 space, and the largest network of its ResNet-50 space, whose rate is
what the card reaches on plain convolutions. Compiled is what `train.compile` makes of the largest
ones, and of a sandwich, whose random subnets stay as they are. Without a GPU it runs on the CPU,
says so and keeps no result.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

import torch
from common import print_table, processor, write_result

from nas.config import TrainConfig
from nas.data import AugmentConfig, DataSplits, ImageSet
from nas.devices import prepare_device
from nas.training import build_strategy
from nas.training.state import TrainState
from nas.training.step import Recipe, training_step
from predictors import Macs, compile_cost
from search_spaces import SearchSpace, get_space
from search_spaces.single import single
from search_spaces.supernet import Supernet

STRATEGIES: dict[str, dict[str, Any]] = {
    "single_path": {"strategy": "single_path"},
    "sandwich": {"strategy": "sandwich"},
    "sandwich, compiled": {"strategy": "sandwich", "compile": True},
}


def step_of(
    space: SearchSpace, options: dict[str, Any], batch: int, resolution: int, device: torch.device
) -> Callable[[], object]:
    """Return one training step on noise that lies on the device."""
    document = {"epochs": 1, "batch_size": batch, "learning_rate": 0.01, **options}
    config = TrainConfig.model_validate(document)
    shape = (batch, 3, resolution, resolution)
    images = torch.randint(0, 256, shape, dtype=torch.uint8, device=device)
    noise = ImageSet(images, torch.arange(batch, device=device) % 10, tuple("abcdefghij"))
    splits = DataSplits(noise, noise, noise, (0.5,) * 3, (0.25,) * 3, "noise")
    strategy = build_strategy(space, config, 100_000)
    recipe = Recipe(config, AugmentConfig(), 0, splits, strategy, device)
    state = TrainState.begin(Supernet(space).to(device).train(), config)

    def step() -> object:
        losses = training_step(recipe, state, noise.images, noise.labels)
        if recipe.compiled.failed:
            raise SystemExit("Nothing was compiled; the warning above says why.")
        return losses

    return step


def images_per_s(step: Callable[[], object], batch: int, steps: int) -> float:
    """Return images a second, from the median step; a step ends with its losses on the host."""
    times = []
    for _ in range(steps + steps // 3 + 1):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return batch / statistics.median(times[-steps:])


def main() -> None:
    """Measure, print and keep the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="auto")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--resolution", type=int, default=224)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--only", nargs="+", metavar="PATTERN", default=["*"])
    arguments = parser.parse_args()
    device = prepare_device(arguments.device)
    batch, size = arguments.batch, arguments.resolution
    space = get_space("ofa_mobilenet_v3", classes=10, resolutions=[size])
    macs = compile_cost(space, Macs())
    plain = get_space("ofa_resnet50", classes=10, resolutions=[size])
    largest = compile_cost(plain, Macs()).maximum()
    alone = {"strategy": "single_path"}
    cases = {f"supernet, {name}": (space, options) for name, options in STRATEGIES.items()}
    for name, extreme in (("smallest", macs.minimum()), ("largest", macs.maximum())):
        cases[f"{name} subnet alone"] = (single(space, extreme.architecture), alone)
    compiled = {**alone, "compile": True}
    cases["largest subnet alone, compiled"] = (
        single(space, macs.maximum().architecture),
        compiled,
    )
    cases["largest ResNet alone, compiled"] = (single(plain, largest.architecture), compiled)
    cases["largest ResNet alone"] = (single(plain, largest.architecture), alone)
    rows = []
    for name, (of, options) in cases.items():
        if not any(fnmatchcase(name, pattern) for pattern in arguments.only):
            continue
        rate = images_per_s(step_of(of, options, batch, size, device), batch, arguments.steps)
        rows.append({"step": name, "images/s": rate})
        print(f"{name}: {rate:.0f} images/s", flush=True)
    rates = {row["step"]: row["images/s"] for row in rows}
    dense = rates.get("largest ResNet alone", math.nan) * 3 * 2 * largest.value / 1e12
    for row in rows:
        row["ratio to the largest alone"] = row["images/s"] / rates.get(
            "largest subnet alone", math.nan
        )
    card = processor(device)
    print(f"{card}; ResNet at {dense:.2f} TFLOP/s (three passes, two operations a MAC)")
    print_table(rows)
    about = {"device": card, "batch": batch, "resolution": size, "resnet_tflop_per_s": dense}
    if device.type == "cuda":
        print(write_result("gpu_step", {**about, "rows": rows}))


if __name__ == "__main__":
    main()
