"""What a training step of every strategy costs, against a step of random subnets alone.

    python benchmarks/strategy_step.py

One thread, CPU seconds, both sides in turns, through the same training step: augmentation,
forward, backward and update on mobile_small at 24 to 32 px with batches of 64. Alone means a
space of one architecture (`search_spaces.single`), by turns one of twelve that stand for twelve
equal parts of all subnets in order of MACs.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from common import paired_cpu_seconds, print_table, write_result

from nas.config import TrainConfig
from nas.data import AugmentConfig, DataSplits, ImageSet
from nas.training import STRATEGIES
from nas.training.state import TrainState
from nas.training.step import Recipe, training_step
from predictors import Macs, compile_cost
from search_spaces import Architecture, SearchSpace, get_space
from search_spaces.single import single
from search_spaces.supernet import Supernet

BATCH, REPEATS, EPOCHS = 64, 60, 40
TYPICAL, DRAWN = 12, 1200
STAGES = [
    {"name": "full", "epochs": 10, "open": {"resolution": [24, 28, 32]}},
    {"name": "kernel", "epochs": 10, "open": {"kernel_*": [3, 5]}},
    {"name": "depth", "epochs": 10, "open": {"depth_*": [1, 2, 3]}, "subnets": 2},
    {"name": "width", "epochs": 10, "open": {"expand_*": [2, 3, 4]}, "subnets": 4},
]
CASES: dict[str, tuple[dict[str, Any], int]] = {
    "single_path": ({"strategy": "single_path"}, 0),
    "single_path, 12 bins of MACs": ({"strategy": "single_path", "cost_bins": 12}, 0),
    "fair": ({"strategy": "fair"}, 0),
    "multi_architecture, 4": ({"strategy": "multi_architecture"}, 0),
    "prenas": ({"strategy": "prenas"}, 0),
    "netaug": (
        {"strategy": "netaug", "netaug": {"vary": ["expand_*", "width_*"], "weight": 1.0}},
        0,
    ),
    "sandwich": ({"strategy": "sandwich"}, 0),
    "sandwich, alpha divergence": (
        {"strategy": "sandwich", "soft_loss": "alpha_divergence"},
        0,
    ),
    "attentive, 3 candidates": ({"strategy": "attentive", "cost_bins": 12}, 0),
    "delayed, largest alone": ({"strategy": "delayed", "full_epochs": 20}, 0),
    "delayed, shrinking": ({"strategy": "delayed", "full_epochs": 0}, 0),
    **{
        f"progressive, {stage['name']}": (
            {"strategy": "progressive", "stages": STAGES},
            10 * position,
        )
        for position, stage in enumerate(STAGES)
    },
}
"""Training options by the name of a row, and the epoch from which it is measured."""


def images() -> DataSplits:
    """Return noise; what a step costs does not depend on it."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (BATCH, 3, 32, 32), generator=generator, dtype=torch.uint8)
    labels = torch.randint(0, 10, (BATCH,), generator=generator)
    noise = ImageSet(pixels, labels, tuple("abcdefghij"))
    return DataSplits(noise, noise, noise, mean=(0.5,) * 3, std=(0.3,) * 3, source="noise")


def step_of(
    space: SearchSpace, splits: DataSplits, options: dict[str, Any], epoch: int
) -> tuple[Callable[[], object], int]:
    """Return one training step as a function, and the number of subnets that it trains.

    Every call does a further step; an epoch has a thousand.
    """
    document = {"epochs": EPOCHS, "batch_size": BATCH, "learning_rate": 0.01, **options}
    config = TrainConfig.model_validate(document)
    strategy = STRATEGIES[config.strategy](space, config, 1000)
    augment = AugmentConfig(crop_padding=4, flip=True)
    recipe = Recipe(config, augment, 0, splits, strategy, torch.device("cpu"))
    state = TrainState.begin(Supernet(space).train(), config)
    state.keep_teacher()
    state.step = 1000 * epoch
    batch = splits.train.images, splits.train.labels
    members = len(training_step(recipe, state, *batch))
    return lambda: training_step(recipe, state, *batch), members


def typical(space: SearchSpace) -> list[Architecture]:
    """Return subnets in the middle of equal parts of many random ones in order of MACs."""
    rows = space.canonical(space.sample(DRAWN, np.random.default_rng(0)))
    order = compile_cost(space, Macs())(rows).argsort()
    part = DRAWN // TYPICAL
    return space.decode_all(rows[order[part // 2 :: part]])


def alone(space: SearchSpace, splits: DataSplits, subnet: Architecture) -> Callable[[], object]:
    """Return a step of one subnet by itself."""
    return step_of(single(space, subnet), splits, {"strategy": "single_path"}, 0)[0]


def main() -> None:
    """Measure, print and keep the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    space, splits = get_space("mobile_small"), images()
    by_turns = itertools.cycle([alone(space, splits, subnet) for subnet in typical(space)])
    rows = []
    for name, case in CASES.items():
        step, members = step_of(space, splits, *case)
        seconds, other, _ = paired_cpu_seconds(step, lambda: next(by_turns)(), options.repeats)
        row = {"step": name, "subnets": members, "cpu_ms": 1e3 * seconds, "alone_ms": 1e3 * other}
        rows.append({**row, "ratio": seconds / other})
    print_table(rows)
    payload = {"batch": BATCH, "repeats": options.repeats, "rows": rows}
    print(write_result("strategy_step", payload))


if __name__ == "__main__":
    main()
