"""A supernet's training step against the same subnet trained alone; extraction of a subnet.

    python benchmarks/supernet_step.py

One thread, CPU seconds, both sides in turns; forward, backward and an SGD step with momentum on
ofa_mobilenet_v3 with a batch of 32. Memory is the growth of the process in a child of its own.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from common import paired_cpu_seconds, print_table, process_bytes, write_result
from torch import Tensor, nn

from nas.config import TrainConfig
from nas.training.optimizer import RegionOptimizer
from predictors import Params, compile_cost
from search_spaces import Architecture, SearchSpace, get_space
from search_spaces.supernet import Supernet, build_network

BATCH = 32
BOUNDS = {64: 1.05, 32: 1.10}
MEMORY_BOUND = 1.15
EXTRACTION_BOUND_MS = 20.0
RECIPE = TrainConfig(epochs=1, batch_size=BATCH, learning_rate=0.01)
FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


def the_space() -> SearchSpace:
    """Return the measured space."""
    return get_space("ofa_mobilenet_v3", resolutions=sorted(BOUNDS))


def random_architectures(space: SearchSpace, n: int) -> list[Architecture]:
    """Return the same architectures in every process."""
    return space.decode_all(space.sample(n, np.random.default_rng(0)))


def training_step(
    network: nn.Module, resolution: int, layout: str, *extra: Architecture
) -> Callable[[], None]:
    """Return one step of training on fixed images, as the training loop does it."""
    memory_format = FORMATS[layout]
    network = network.train().to(memory_format=memory_format)
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(BATCH, 3, resolution, resolution, generator=generator)
    images = images.contiguous(memory_format=memory_format)
    labels = torch.randint(0, 1000, (BATCH,), generator=generator)
    forget, update = optimizer_of(network)

    def step() -> None:
        forget()
        logits: Tensor = network(images, *extra)
        nn.functional.cross_entropy(logits, labels).backward()
        update(*extra)

    return step


def optimizer_of(network: nn.Module) -> tuple[Callable[[], None], Callable[..., None]]:
    """Return zero_grad and step: ours on active regions for a supernet, else torch's own."""
    if isinstance(network, Supernet):
        ours = RegionOptimizer(dict(network.named_parameters()), RECIPE)

        def update(architecture: Architecture) -> None:
            ours.step(network.active_parameters(architecture), learning_rate=0.01)

        return ours.forget_gradients, update
    optimizer = torch.optim.SGD(
        network.parameters(),
        lr=0.01,
        momentum=RECIPE.momentum,
        nesterov=RECIPE.nesterov,
        weight_decay=RECIPE.weight_decay,
    )
    return optimizer.zero_grad, optimizer.step


def step_rows(space: SearchSpace, architectures: int, repeats: int) -> list[dict[str, Any]]:
    """Time the two steps for every layout and resolution; medians over architectures."""
    rows = []
    for layout in FORMATS:
        for resolution, bound in BOUNDS.items():
            measured = []
            for architecture in random_architectures(space, architectures):
                architecture = architecture.replace(resolution=resolution)
                supernet = Supernet(space)
                alone = training_step(supernet.subnet(architecture), resolution, layout)
                shared = training_step(supernet, resolution, layout, architecture)
                measured.append(paired_cpu_seconds(shared, alone, repeats))
            shared_s, alone_s, ratios = zip(*measured, strict=True)
            rows.append(
                {
                    "layout": layout,
                    "resolution": resolution,
                    "supernet_cpu_ms": statistics.median(shared_s) * 1e3,
                    "subnet_cpu_ms": statistics.median(alone_s) * 1e3,
                    "ratio": statistics.median(ratios),
                    "lowest_ratio": min(ratios),
                    "highest_ratio": max(ratios),
                    "bound": bound,
                }
            )
    return rows


def extraction_row(space: SearchSpace) -> dict[str, Any]:
    """Time `Supernet.subnet` on random architectures and on the largest one, CPU ms."""
    supernet = Supernet(space)
    largest = compile_cost(space, Params()).maximum().architecture

    def milliseconds(architecture: Architecture) -> float:
        start = time.process_time()
        supernet.subnet(architecture)
        return (time.process_time() - start) * 1e3

    chosen = random_architectures(space, 40)
    milliseconds(largest)
    return {
        "extraction_ms_median": statistics.median(map(milliseconds, chosen)),
        "extraction_ms_largest": statistics.median(milliseconds(largest) for _ in range(20)),
        "bound_ms": EXTRACTION_BOUND_MS,
    }


def grown_bytes(which: str, resolution: int) -> int:
    """Return the peak growth of this process by building a network and training it (Linux)."""
    space = the_space()
    architecture = random_architectures(space, 1)[0].replace(resolution=resolution)
    space.blocks(architecture)
    nn.Conv2d(4, 4, 3)(torch.zeros(2, 4, 8, 8)).sum().backward()
    before = process_bytes("VmRSS")
    if which == "supernet":
        step = training_step(Supernet(space), resolution, "contiguous", architecture)
    else:
        step = training_step(build_network(space, architecture), resolution, "contiguous")
    for _ in range(3):
        step()
    return process_bytes("VmHWM") - before


def memory_rows(space: SearchSpace) -> list[dict[str, Any]]:
    """Measure both sides in processes of their own."""
    architecture = random_architectures(space, 1)[0]
    unsampled = sum(p.numel() for p in Supernet(space).parameters())
    unsampled -= int(compile_cost(space, Params()).of(architecture))
    rows = []
    for resolution in BOUNDS:
        grown = {}
        for which in ("supernet", "subnet"):
            command = [sys.executable, __file__, "--memory", which, str(resolution)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            grown[which] = int(done.stdout)
        rows.append(
            {
                "resolution": resolution,
                "supernet_mb": grown["supernet"] / 1e6,
                "subnet_mb": grown["subnet"] / 1e6,
                "unsampled_weights_mb": unsampled * 4 / 1e6,
                "ratio": (grown["supernet"] - unsampled * 4) / grown["subnet"],
                "bound": MEMORY_BOUND,
            }
        )
    return rows


def main() -> None:
    """Print the tables and keep them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--memory", nargs=2, metavar=("WHICH", "RESOLUTION"), help="for the child")
    parser.add_argument("--architectures", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=11)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.memory:
        print(grown_bytes(options.memory[0], int(options.memory[1])))
        return
    space = the_space()
    steps = step_rows(space, options.architectures, options.repeats)
    print_table(steps)
    print()
    extraction = extraction_row(space)
    print_table([extraction])
    print()
    memory = memory_rows(space)
    print_table(memory)
    payload = {"space": space.name, "batch": BATCH, "step": steps}
    write_result("supernet_step", {**payload, "extraction": extraction, "memory": memory})


if __name__ == "__main__":
    main()
