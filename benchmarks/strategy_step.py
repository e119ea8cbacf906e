"""What a training step of every strategy costs, against a step of random subnets alone.

    python benchmarks/strategy_step.py

One thread, CPU seconds, both sides in turns, through the same training step: augmentation,
forward, backward and update on mobile_small at 24 to 32 px with batches of 64. Alone means a
space of one architecture (`search_spaces.single`), by turns one of twelve that stand for twelve
equal parts of all subnets in order of MACs. Strategies for choices that mobile_small lacks run on
the space that a row names, at 32 px, and are compared with subnets of that space.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from common import paired_cpu_seconds, print_table, write_result

from nas.config import TrainConfig
from nas.data import AugmentConfig, DataSplits, ImageSet
from nas.training import Moment, build_strategy
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
    "finetune": ({"strategy": "finetune"}, 0),
}
"""Training options by the name of a row, and the epoch from which it is measured."""
RELUS = {"budget": 2000, "full_epochs": 10, "mask_epochs": 10}
OTHER_CASES: dict[str, tuple[str, dict[str, Any], int]] = {
    "proxyless, weights": ("nasbench201", {"strategy": "proxyless"}, 0),
    "proxyless, weights and gates": (
        "nasbench201",
        {"strategy": "proxyless", "proxyless": {"every": 1}},
        20,
    ),
    "gold_nas": ("gold_nas", {"strategy": "gold_nas"}, 0),
    "mpcvit": (
        "mpc_vit",
        {"strategy": "mpcvit", "mpcvit": {"choices": ["attention_*", "act_*"]}},
        0,
    ),
    **{
        f"{strategy}, {phase}": ("mpc_resnet", {"strategy": strategy, "relus": RELUS}, epoch)
        for strategy in ("autorep", "snl")
        for phase, epoch in (("all ReLUs", 0), ("masks", 10))
    },
}
"""The same with the name of the space in front."""
SPACES: dict[str, dict[str, Any]] = {
    "nasbench201": {"classes": 10, "resolution": 32, "width": 8, "cells": 1},
    "gold_nas": {"classes": 10, "resolution": 32, "width": 8, "cells": 5, "nodes": 3},
    "mpc_vit": {
        "classes": 10,
        "resolution": 32,
        "dim": 32,
        "heads": [4],
        "depths": [3],
        "attention": ["relu_softmax", "scale_attention"],
        "activations": ["gelu", "linear"],
    },
    "mpc_resnet": {"classes": 10, "resolution": 32, "widths": [16, 32], "depths": [1, 1]},
}
"""Options of these spaces, which make them about as small as mobile_small."""


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
    teacher = Supernet(space).train().requires_grad_(False)
    if config.strategy == "finetune":
        space = single(space, typical(space)[TYPICAL // 2])
    strategy = build_strategy(space, config, 1000)
    augment = AugmentConfig(crop_padding=4, flip=True)
    recipe = Recipe(config, augment, 0, splits, strategy, torch.device("cpu"))
    state = TrainState.begin(Supernet(space).train(), config)
    state.teacher = teacher
    state.step = 1000 * epoch
    for prepare in strategy.phases[0].prepare if epoch else ():
        prepare(state)
    batch = splits.train.images, splits.train.labels
    training_step(recipe, state, *batch)
    moment = Moment(0, state.step, lambda subnet: 0.0, tuple(state.chosen), state.gates)
    members = len(strategy.at(state.step)[0].draw(moment))
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


def compiled_row(repeats: int) -> dict[str, Any]:
    """Compare a step of the largest network alone, compiled, with the same step as it is."""
    space, splits = get_space("mobile_small"), images()
    options, epoch = CASES["delayed, largest alone"]
    compiled, plain = (
        step_of(space, splits, {**options, "compile": on}, epoch)[0] for on in (True, False)
    )
    seconds, other, ratio = paired_cpu_seconds(compiled, plain, repeats)
    return {"compiled_cpu_ms": 1e3 * seconds, "plain_cpu_ms": 1e3 * other, "ratio": ratio}


def call_next(functions: Iterator[Callable[[], object]]) -> None:
    """Call the next one of some functions."""
    next(functions)()


def main() -> None:
    """Measure, print and keep the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--compiled", action="store_true", help="the largest, compiled and not")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.compiled:
        print_table([compiled_row(options.repeats)])
        return
    cases = {name: ("mobile_small", *case) for name, case in CASES.items()} | OTHER_CASES
    rows = []
    for name_of_space, group in itertools.groupby(cases.items(), lambda case: case[1][0]):
        space, splits = get_space(name_of_space, **SPACES.get(name_of_space, {})), images()
        subnets = itertools.cycle([alone(space, splits, subnet) for subnet in typical(space)])
        by_turns = partial(call_next, subnets)
        for name, (_, *case) in group:
            step, members = step_of(space, splits, *case)
            seconds, other, _ = paired_cpu_seconds(step, by_turns, options.repeats)
            row = {"space": name_of_space, "step": name, "subnets": members}
            row |= {"cpu_ms": 1e3 * seconds, "alone_ms": 1e3 * other, "ratio": seconds / other}
            rows.append(row)
    print_table(rows)
    payload = {"batch": BATCH, "repeats": options.repeats, "rows": rows}
    print(write_result("strategy_step", payload))


if __name__ == "__main__":
    main()
