"""What it costs that several processes train together, on this machine's cores.

    torchrun --standalone --nproc-per-node 2 benchmarks/together.py

Wall time of a training step of mobile_small (24 to 32 px, 64 images, one thread a process): of one
process that has all images while the others wait, of all together with the statistics of the
whole batch, and of all together with each process's own. In the same run the parts are timed that
one process does not have: the sums of the gradients.
"""

from __future__ import annotations

import statistics
import time

import torch
from common import print_table, write_result
from strategy_step import BATCH, images

from nas.config import TrainConfig
from nas.data import AugmentConfig
from nas.training import STRATEGIES
from nas.training.replicas import equalise, sum_gradients
from nas.training.state import TrainState
from nas.training.step import Recipe, training_step
from nas.world import ALONE, World, joined_world
from search_spaces import get_space
from search_spaces.supernet import Supernet

REPEATS = 30
STRATEGY_OPTIONS = {"single_path": {}, "sandwich": {"strategy": "sandwich"}}


def seconds_per_step(world: World, options: dict[str, object], *, sync: bool) -> float:
    """Return the median wall time of a step of this process."""
    document = {"epochs": 40, "batch_size": BATCH, "learning_rate": 0.01, **options}
    config = TrainConfig.model_validate({**document, "sync_batch_norm": sync})
    space, splits = get_space("mobile_small"), images()
    strategy = STRATEGIES[config.strategy](space, config, 1000)
    augment = AugmentConfig(crop_padding=4, flip=True)
    recipe = Recipe(config, augment, 0, splits, strategy, torch.device("cpu"), world)
    state = TrainState.begin(Supernet(space).train(), config)
    equalise(state, world)
    share = world.share(BATCH)
    batch = splits.train.images[share], splits.train.labels[share]
    times = []
    for _ in range(REPEATS + 3):
        start = time.perf_counter()
        training_step(recipe, state, *batch)
        times.append(time.perf_counter() - start)
    return statistics.median(times[3:])


def gradient_seconds(world: World) -> float:
    """Return the median wall time of summing the gradients of the whole supernet."""
    supernet = Supernet(get_space("mobile_small"))
    parameters = dict(supernet.named_parameters())
    for parameter in parameters.values():
        parameter.grad = torch.zeros_like(parameter)
    regions = {n: tuple(slice(0, s) for s in p.shape) for n, p in parameters.items()}
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        sum_gradients(parameters, regions, world)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    """Measure, print and keep the table."""
    torch.set_num_threads(1)
    rows = []
    with joined_world() as world:
        for name, options in STRATEGY_OPTIONS.items():
            alone = world.tell(
                seconds_per_step(ALONE, options, sync=True) if world.is_first else 0.0
            )
            for sync in (True, False):
                shared = seconds_per_step(world, options, sync=sync)
                rows.append(
                    {
                        "step": name,
                        "statistics": "whole batch" if sync else "own images",
                        "one process ms": 1e3 * alone,
                        f"{world.size} processes ms": 1e3 * shared,
                        "ratio": shared / alone,
                    }
                )
        sums = gradient_seconds(world)
        if world.is_first:
            print_table(rows)
            print(f"sum of all gradients of the supernet: {1e3 * sums:.2f} ms")
            result = {"processes": world.size, "rows": rows, "gradients_ms": 1e3 * sums}
            print(write_result("together", result))


if __name__ == "__main__":
    main()
