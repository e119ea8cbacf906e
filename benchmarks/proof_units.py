"""The trainings of the training proof: what is trained, at which cost, and what is kept.

A unit is one training, of a supernet or of one subnet alone. It is an ordinary run folder with
a result beside the checkpoints, so whatever is interrupted goes on where it stopped, and
several processes can share the work.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from common import processor

from nas.config import Config, parse_config
from nas.data import DataSplits
from nas.devices import prepare_device
from nas.errors import RunError
from nas.evaluation import SubnetEvaluator
from nas.files import atomic_write
from nas.rng import stream
from nas.runs import RunFolder
from nas.training import STRATEGIES, Moment, train
from nas.training.largest import largest_at
from predictors import CostTable, Macs, compile_cost
from search_spaces import Architecture, SearchSpace, get_space
from search_spaces.single import single
from search_spaces.supernet import Supernet

__all__ = [
    "SEEDS",
    "TASKS",
    "Task",
    "Unit",
    "measured",
    "recipe",
    "result_of",
    "run_unit",
    "units",
]

VALIDATION, BATCH, EPOCHS = 4_000, 128, 8
MEASURED, WINDOWS, DRAWS = 20, 6, 4
STRIDE = 13
"""From one subnet to the next that is trained, so that the first few are spread over MACs."""
SEEDS = (0, 1)
"""Of the subnets alone; of the supernets the first only."""

COMMON: dict[str, Any] = {
    "batch_size": BATCH,
    "learning_rate": 0.1,
    "weight_decay": 1e-4,
    "warmup_epochs": 0.5,
    "threads": 1,
    "checkpoint_every_s": 120.0,
}
"""The training options of every unit; the learning rate is that of examples/cifar10.toml."""

WIDTHS = {"width_1": [16, 24], "width_2": [32, 40, 48], "width_3": [64, 80, 96]}
STAGES: list[dict[str, Any]] = [
    {"name": "full", "epochs": 3, "warmup_epochs": 0.5},
    {"name": "kernel", "epochs": 1, "learning_rate": 0.05, "open": {"kernel_*": [3, 5]}},
    {"name": "depth 1", "epochs": 1, "learning_rate": 0.02, "open": {"depth_*": [2, 3]}},
    {"name": "depth 2", "epochs": 1, "learning_rate": 0.05, "open": {"depth_*": [1, 2, 3]}},
    {"name": "width 1", "epochs": 1, "learning_rate": 0.02, "open": {"expand_*": [3, 4]}},
    {
        "name": "width 2",
        "epochs": 3,
        "learning_rate": 0.05,
        "open": {"expand_*": [2, 3, 4], **WIDTHS},
    },
]
SUBNETS = {"depth": 2, "width": 4}
"""Subnets in a step of the stages that open a kind of choice, as once-for-all has it."""

SUPERNETS: dict[str, dict[str, Any]] = {
    "sandwich": {"strategy": "sandwich", "epochs": EPOCHS},
    "single_path": {"strategy": "single_path", "epochs": 39},
    "progressive": {
        "strategy": "progressive",
        "warmup_epochs": 0.0,
        "stages": [
            {**stage, "subnets": SUBNETS.get(stage["name"].split()[0], 1)} for stage in STAGES
        ],
    },
    "delayed": {"strategy": "delayed", "epochs": 10, "full_epochs": 4.6, "ramp_epochs": 0.5},
    "delayed_short": {
        "strategy": "delayed",
        "epochs": 5,
        "full_epochs": 2.9,
        "ramp_epochs": 0.25,
    },
}
"""The training sections of the supernets, all but `delayed_short` of about the same cost."""

VARIANTS: dict[str, dict[str, Any]] = {
    "sandwich, rate 0.05": {**SUPERNETS["sandwich"], "learning_rate": 0.05},
    "sandwich, rate 0.025": {**SUPERNETS["sandwich"], "learning_rate": 0.025},
    "sandwich, twice the epochs": {"strategy": "sandwich", "epochs": 2 * EPOCHS},
    "delayed, rate 0.05": {**SUPERNETS["delayed"], "learning_rate": 0.05},
    "delayed_short, rate 0.05": {**SUPERNETS["delayed_short"], "learning_rate": 0.05},
}
"""What was tried to bring subnets nearer to those trained alone; where there is a GPU."""


@dataclass(frozen=True)
class Task:
    """Images to classify.

    Attributes:
        channels: Of an image.
        format: As in the data section.
        path: Where the images are looked for.
        resolution: Side of an image.
        images: That are trained on.
        device: As in the training section.
        variants: Whether the supernets of `VARIANTS` are trained, too.
    """

    channels: int
    format: str
    path: str
    resolution: int = 16
    images: int = 16_000
    device: str = "cpu"
    variants: bool = False

    @property
    def space(self) -> SearchSpace:
        """The space mobile_small at one resolution, so that no choice ranks subnets by itself."""
        return get_space("mobile_small", **self.options)

    @property
    def options(self) -> dict[str, Any]:
        """Arguments of the space."""
        return {"channels": self.channels, "resolutions": [self.resolution]}

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in an epoch."""
        return self.images // BATCH

    @property
    def supernets(self) -> dict[str, dict[str, Any]]:
        """The training sections of the supernets by kind."""
        return {**SUPERNETS, **(VARIANTS if self.variants else {})}


_CIFAR10 = "../../shared/data/cifar10.npz"
TASKS = {
    "cifar10": Task(3, "npz", _CIFAR10),
    "cifar10_32px": Task(3, "npz", _CIFAR10, 32, 40_000, device="auto", variants=True),
    "fashion_mnist": Task(1, "idx", "/usr/share/datasets/fashion-mnist"),
}


@cache
def measured(space: SearchSpace) -> tuple[Architecture, ...]:
    """Return the subnets that are trained alone: evenly spread over MACs, extremes included."""
    macs = compile_cost(space, Macs())
    low, high = macs.minimum(), macs.maximum()
    between = _drawn(macs, MEASURED - 2, 1, stream(0, "proof", MEASURED))
    return (low.architecture, *(window[0] for window in between), high.architecture)


@cache
def candidates(space: SearchSpace) -> list[list[Architecture]]:
    """Return some random subnets of each window of MACs, the same for every supernet."""
    macs = compile_cost(space, Macs())
    return _drawn(macs, WINDOWS, DRAWS, stream(1, "proof", WINDOWS, DRAWS))


def _drawn(
    macs: CostTable, windows: int, draws: int, rng: np.random.Generator
) -> list[list[Architecture]]:
    """Return random subnets of windows of equal width in MACs."""
    edges = np.linspace(macs.minimum().value, macs.maximum().value, windows + 1)
    rows = [macs.sample(draws, low=low, high=high, rng=rng) for low, high in pairwise(edges)]
    space = macs.space
    return [space.decode_all(space.canonical(window)) for window in rows]


@dataclass(frozen=True)
class Unit:
    """One training.

    Attributes:
        task: What is learnt.
        name: Of its folder.
        kind: A key of the task's supernets, or ``alone``.
        seed: Of initial weights, order, augmentation and draws; the split of the images is
            that of seed 0 always.
        subnet: Position in `measured`, of a subnet alone.
    """

    task: Task
    name: str
    kind: str
    seed: int
    subnet: int | None = None

    @property
    def space(self) -> SearchSpace:
        """What is trained."""
        whole = self.task.space
        return whole if self.subnet is None else single(whole, measured(whole)[self.subnet])

    def config(self, data: Path) -> Config:
        """Return the configuration, which its run folder holds."""
        section = (
            self.task.supernets[self.kind]
            if self.subnet is None
            else {"strategy": "single_path", "epochs": EPOCHS}
        )
        document = {
            "seed": self.seed,
            "space": {"name": "mobile_small", "options": self.task.options},
            "data": {
                "format": self.task.format,
                "path": str(data),
                "validation": VALIDATION,
                "train_limit": self.task.images,
                "image_size": self.task.resolution,
            },
            "augment": {"crop_padding": 2, "flip": True},
            "train": {**COMMON, "device": self.task.device, **section},
        }
        return parse_config(document, source="of the training proof")

    def macs(self, config: Config) -> float:
        """Return the multiply-accumulates of the whole training.

        Those of the forward pass of every member of every step, three times, as backward costs
        two forwards; and those of the forward pass of a frozen teacher.
        """
        space = self.space
        cost = compile_cost(space, Macs())
        strategy = STRATEGIES[config.train.strategy](
            space, config.train, self.task.steps_per_epoch
        )
        total = 0.0
        for step in range(strategy.steps):
            phase, _ = strategy.at(step)
            members = phase.draw(Moment(self.seed, step, _no_loss))
            total += 3 * sum(cost.of(member.architecture) for member in members)
            if phase.taught:
                resolutions = {space.resolution_of(member.architecture) for member in members}
                total += sum(cost.of(largest_at(space, r)) for r in resolutions)
        return total * BATCH


def _no_loss(architecture: Architecture) -> float:
    raise AssertionError("no strategy of the proof compares losses")


def units(task: Task) -> Iterator[Unit]:
    """Yield every unit of a task, in an order in which also the first ones say something."""
    for kind in task.supernets:
        folder = kind.replace(", ", "_").replace(" ", "_")
        yield Unit(task, f"{folder}-seed{SEEDS[0]}", kind, SEEDS[0])
    for seed in SEEDS:
        for i in range(MEASURED):
            subnet = i * STRIDE % MEASURED
            yield Unit(task, f"alone{subnet:02d}-seed{seed}", "alone", seed, subnet)


def recipe(task: Task) -> dict[str, Any]:
    """Return what the units were trained with, for the kept result."""
    return {
        "space": "mobile_small",
        "resolution": task.resolution,
        "training_images": task.images,
        "images_seen_alone": task.images * EPOCHS,
        "common": COMMON,
        "supernets": task.supernets,
    }


def result_of(unit: Unit, work: Path) -> dict[str, Any] | None:
    """Return what a finished unit left; None of one that is not finished."""
    path = work / unit.name / "result.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def run_unit(unit: Unit, work: Path, data: Path, splits: DataSplits) -> dict[str, Any]:
    """Train a unit, or go on with it, score its subnets and keep the result.

    Raises:
        RunError: Another process has it in hand, or its folder was begun with another recipe.
        InterruptedRunError: SIGINT or SIGTERM came; what was done is kept.
    """
    config, path = unit.config(data), work / unit.name
    run = RunFolder.open(path) if (path / "run.json").exists() else RunFolder.create(path, config)
    if run.config != config:
        raise RunError(f"{path} was begun with another recipe. Remove it to begin anew.")
    with run.lock():
        if (known := result_of(unit, work)) is not None:
            return known
        supernet = Supernet(unit.space, seed=unit.seed)
        start = time.process_time()
        report = train(
            supernet,
            splits,
            config.train,
            seed=unit.seed,
            augment=config.augment,
            run=run,
        )
        here = (time.process_time() - start) / max(1, report.steps - report.resumed_at)
        evaluator = SubnetEvaluator(supernet, splits, config.evaluate, device=config.train.device)
        result = {
            "kind": unit.kind,
            "seed": unit.seed,
            "subnet": unit.subnet,
            "steps": report.steps,
            "macs": unit.macs(config),
            "cpu_s": here * report.steps,
            "trained_on": processor(prepare_device(config.train.device)),
            **_scores(unit, evaluator),
        }
        atomic_write(path / "result.json", json.dumps(result, indent=2) + "\n")
    return result


def _scores(unit: Unit, evaluator: SubnetEvaluator) -> dict[str, Any]:
    """Return test accuracies of the measured subnets, and of the best of each window.

    The best of a window has the highest validation accuracy.
    """
    if unit.subnet is not None:
        only = evaluator.space.decode([0] * len(evaluator.space.choices))
        return {"test": [_test(evaluator, only)]}
    best = [
        max(window, key=lambda a: evaluator(a)["accuracy"].value)
        for window in candidates(evaluator.space)
    ]
    return {
        "test": [_test(evaluator, architecture) for architecture in measured(evaluator.space)],
        "pareto": [_test(evaluator, architecture) for architecture in best],
    }


def _test(evaluator: SubnetEvaluator, architecture: Architecture) -> float:
    return evaluator.score(evaluator.subnet(architecture), architecture, split="test").value
