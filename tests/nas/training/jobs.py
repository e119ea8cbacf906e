"""A space, images and runs so small that a training step takes milliseconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from nas.config import Config, parse_config
from nas.data import DataSplits, ImageSet
from nas.runs import RunFolder
from nas.training import Moment, TrainReport, train
from nas.training.state import TrainState
from nas.world import ALONE, World
from predictors import CostTable
from search_spaces import Architecture, SearchSpace, SpaceBuilder, get_space
from search_spaces.blocks import BlockSpec, Conv, Head, MBConv, NodeSum, SeparableConv, Zero
from search_spaces.progress import Progress, silent
from search_spaces.supernet import Supernet

CLASSES = 4


def zero(architecture: Architecture) -> float:
    """Return the same loss for every architecture."""
    return 0.0


def tiny_space(width: int = 16, dropout: float = 0.1) -> SearchSpace:
    """Elastic resolution, width, depth, kernel and expansion; dropout, too."""
    builder = SpaceBuilder("tiny")
    r = builder.choice("resolution", (8, 12))
    w = builder.choice("width", (8, width))
    d = builder.choice("depth", (1, 2))
    k = builder.choice("kernel", (3, 5))
    e = builder.choice("expand", (1, 2))
    builder.slot("stem", reads=(r,), block=lambda r: Conv(1, 8, r, kernel=3))
    builder.slot(
        "first",
        reads=(r, w, k, e),
        block=lambda r, w, k, e: MBConv(8, w, 8 * e, r, kernel=k, stride=2),
    )
    builder.slot(
        "second",
        reads=(r, w, d, k, e),
        block=lambda r, w, d, k, e: (
            MBConv(w, w, w * e, r // 2, kernel=k, shortcut=True) if d == 2 else None
        ),
    )
    builder.slot(
        "head", reads=(r, w), block=lambda r, w: Head(w, CLASSES, r // 2, dropout=dropout)
    )
    return builder.build()


def operation_space(dropout: float = 0.1) -> SearchSpace:
    """One operation of three in each of two layers, one of which may be skipped."""
    builder = SpaceBuilder("operations")
    first = builder.choice("first", ("k3", "k5", "k7"))
    second = builder.choice("second", ("k3", "k5", "skip"))
    builder.slot("stem", block=lambda: Conv(1, 8, 12, kernel=3))
    for name, choice in (("first", first), ("second", second)):
        builder.slot(
            name,
            reads=(choice,),
            block=lambda o: (
                None if o == "skip" else MBConv(8, 8, 16, 12, kernel=int(o[1:]), shortcut=True)
            ),
            separate_weights=("kernel",),
        )
    builder.slot("head", block=lambda: Head(8, CLASSES, 12, dropout=dropout))
    return builder.build()


def tiny_resnet() -> SearchSpace:
    """A residual network that may keep a part of its ReLUs."""
    options = {"classes": CLASSES, "resolution": 12, "channels": 1}
    return get_space("mpc_resnet", **options, widths=(4, 8), depths=(1, 1))


def tiny_vit(shares: tuple[float, ...] = (0.0, 0.25, 0.5, 1.0)) -> SearchSpace:
    """A transformer of 17 tokens in two layers, some of which may keep their GELU."""
    options = {"classes": CLASSES, "resolution": 12, "channels": 1, "patch": 3, "dim": 8}
    fixed = {"attention": ("scale_attention",), "activations": ("gelu",)}
    return get_space("mpc_vit", **options, **fixed, heads=(2,), depths=(2,), token_shares=shares)


def present_space(dropout: float = 0.1) -> SearchSpace:
    """Two nodes, each the sum of three operations that are there or not."""
    builder = SpaceBuilder("present")
    last = builder.slot("stem", block=lambda: Conv(1, 8, 12, kernel=3, stride=2))
    for node in (1, 2):
        made = []
        for kernel in (0, 3, 5):
            choice = builder.choice(f"{node}_{kernel}", ("no", "yes"))
            block = partial(_present, kernel)
            slot = builder.slot(f"n{node}k{kernel}", reads=(choice,), inputs=(last,), block=block)
            made.append(slot)
        last = builder.slot(f"sum{node}", inputs=made, block=lambda: NodeSum(8, 6, inputs=3))
    builder.slot("head", block=lambda: Head(8, CLASSES, 6, dropout=dropout))
    return builder.build()


def _present(kernel: int, present: str) -> BlockSpec | None:
    """Return a convolution, a skip for the kernel 0, or zeros."""
    if present == "no":
        return Zero(8, 6)
    return SeparableConv(8, 8, 6, kernel=kernel, repeats=1) if kernel else None


SPACES: dict[str, Callable[[], SearchSpace]] = {
    "proxyless": operation_space,
    "autorep": tiny_resnet,
    "snl": tiny_resnet,
    "gold_nas": present_space,
}
"""Spaces of strategies for which `tiny_space` is none."""


def space_for(strategy: str) -> SearchSpace:
    """Return a space for a strategy."""
    return SPACES.get(strategy, tiny_space)()


def quadrants(n: int, seed: int) -> ImageSet:
    """Noise [n, 1, 12, 12] with one quadrant brighter; the class is which."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 120, (n, 1, 12, 12), generator=generator)
    labels = torch.randint(0, CLASSES, (n,), generator=generator)
    for image, label in zip(images, labels.tolist(), strict=True):
        y, x = 6 * (label // 2), 6 * (label % 2)
        image[:, y : y + 6, x : x + 6] += 60
    return ImageSet(images.to(torch.uint8), labels, tuple("abcd"))


def tiny_splits(n: int = 64) -> DataSplits:
    """Three splits of `quadrants`."""
    return DataSplits(
        train=quadrants(n, 0),
        validation=quadrants(60, 1),
        test=quadrants(60, 2),
        mean=(0.3,),
        std=(0.15,),
        source="quadrants",
    )


STAGES = (
    {"name": "full", "epochs": 1, "warmup_epochs": 0.5, "open": {"resolution": [8, 12]}},
    {"name": "kernel", "epochs": 1, "open": {"kernel": [3, 5], "depth": [1, 2]}, "subnets": 2},
    {"name": "expand", "epochs": 2, "open": {"expand": [1, 2]}, "learning_rate": 0.02},
)
RELUS = {"budget": 150, "full_epochs": 1.0, "mask_epochs": 1.5, "gate_learning_rate": 0.1}
OPTIONS: dict[str, dict[str, Any]] = {
    "single_path": {},
    "fair": {},
    "sandwich": {"random_subnets": 1},
    "attentive": {"random_subnets": 1, "cost_bins": 4, "soft_loss": "alpha_divergence"},
    "delayed": {"random_subnets": 1, "ramp_epochs": 0.5},
    "progressive": {"stages": STAGES, "warmup_epochs": 0},
    "prenas": {"param_intervals": 3},
    "multi_architecture": {"architectures": 3},
    "proxyless": {"proxyless": {"weight_epochs": 0.5, "every": 1, "gate_learning_rate": 0.1}},
    "mpcvit": {"mpcvit": {"choices": ["kernel", "expand"], "cost": "macs"}},
    "autorep": {"relus": RELUS},
    "snl": {"relus": RELUS},
    "gold_nas": {"gold_nas": {"penalty_step": 0.05, "settled_epochs": 1}},
    "netaug": {"netaug": {"vary": ["expand"], "vary_early": ["width"]}},
}
"""Training options by strategy, for four epochs."""


def tiny_config(**train_options: Any) -> Config:
    """Four epochs of four steps by default, with everything that has a state.

    The option ``augment`` goes to the section of that name.
    """
    augment = train_options.pop("augment", {})
    options = {
        "strategy": "sandwich",
        **({} if "stages" in train_options else {"epochs": 4}),
        "batch_size": 16,
        "learning_rate": 0.05,
        "warmup_epochs": 1,
        "ema_decay": 0.9,
        "gradient_clip": 5.0,
        "device": "cpu",
        "threads": 1,
        **OPTIONS.get(train_options.get("strategy", "sandwich"), {}),
        **train_options,
    }
    document = {
        "space": {"name": "tiny"},
        "data": {"format": "digits", "validation": 60},
        "augment": {"crop_padding": 1, "cutout": 2, **augment},
        "train": options,
    }
    return parse_config(document, source="test")


def run_folder(path: Path, **train_options: Any) -> RunFolder:
    """Create a run, or open it where it exists."""
    if path.exists():
        return RunFolder.open(path)
    return RunFolder.create(path, tiny_config(**train_options))


def train_run(
    run: RunFolder,
    *,
    progress: Progress = silent,
    splits: DataSplits | None = None,
    space: SearchSpace | None = None,
    costs: Mapping[str, CostTable] | None = None,
    world: World = ALONE,
) -> TrainReport:
    """Train a run from its newest checkpoint."""
    config = run.config
    return train(
        Supernet(space or space_for(config.train.strategy), seed=config.seed),
        splits or tiny_splits(),
        config.train,
        seed=config.seed,
        augment=config.augment,
        run=run,
        costs=costs,
        progress=progress,
        world=world,
    )


def moment(
    step: int,
    *,
    seed: int = 0,
    label_loss: Callable[[Architecture], float] = zero,
    state: TrainState | None = None,
) -> Moment:
    """Return a step as a strategy sees it."""
    if state is None:
        return Moment(seed, step, label_loss)
    return Moment(seed, step, label_loss, tuple(state.chosen), state.gates)


def newest(run: RunFolder) -> Path:
    """Return the newest checkpoint of a run."""
    return max(run.checkpoints.glob("step-*.safetensors"))


def losses(run: RunFolder) -> list[dict[str, Any]]:
    """Return the metrics without what depends on the clock."""
    return [{k: v for k, v in row.items() if k != "images_per_s"} for row in run.read_metrics()]
