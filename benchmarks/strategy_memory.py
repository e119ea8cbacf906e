"""The memory that training steps of every strategy need, against subnets trained alone.

    python benchmarks/strategy_memory.py

The same steps as in strategy_step.py. Memory is how much the peak of a process of its own grows
by the weights, the optimizer's state and some steps (Linux).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable

import torch
from common import print_table, process_bytes, write_result
from strategy_step import BATCH, CASES, TYPICAL, alone, images, step_of, typical

from nas.training.largest import largest
from search_spaces import get_space

STEPS = 12
MIDDLE, LARGEST = "the subnet of middle MACs alone", "the largest subnet alone"


def step_called(name: str) -> Callable[[], object]:
    """Return a training step by the name of its row."""
    space, splits = get_space("mobile_small"), images()
    if name == MIDDLE:
        return alone(space, splits, typical(space)[TYPICAL // 2])
    if name == LARGEST:
        return alone(space, splits, largest(space))
    return step_of(space, splits, *CASES[name])[0]


def grown_bytes(name: str) -> int:
    """Return the growth of this process by one strategy's steps."""
    step_called(MIDDLE)  # whatever is imported late, and the cached tables of the space
    before = process_bytes("VmRSS")
    step = step_called(name)
    for _ in range(STEPS):
        step()
    return process_bytes("VmHWM") - before


def grown_mb(name: str) -> float:
    """Return `grown_bytes` in megabytes, measured in a process of its own."""
    command = [sys.executable, __file__, "--child", name]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout) / 1e6


def main() -> None:
    """Measure, print and keep the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--child", metavar="ROW", help="for the processes that are measured")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.child:
        print(grown_bytes(options.child))
        return
    memory_mb = {name: grown_mb(name) for name in (MIDDLE, LARGEST, *CASES)}
    rows = [
        {"step": name, "memory_mb": mb, "ratio": mb / memory_mb[MIDDLE]}
        for name, mb in memory_mb.items()
    ]
    print_table(rows)
    print(write_result("strategy_memory", {"batch": BATCH, "steps": STEPS, "rows": rows}))


if __name__ == "__main__":
    main()
