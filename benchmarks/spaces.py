"""Every registered space: compiled MACs per second, `nas spaces show`, building the supernet.

    python benchmarks/spaces.py

One thread, CPU seconds, the median of several runs. The reference for pricing is the same MACs
counted from the blocks of one architecture at a time, in the same run; both must agree.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from common import paired_cpu_seconds, print_table, write_result

from predictors import Macs, compile_cost
from search_spaces import SearchSpace, get_space, list_spaces
from search_spaces.supernet import Supernet

PER_SECOND_TARGET = 1_000_000
SHOW_TARGET_S = 1.0
SUPERNET_TARGET_S = 2.0
SUPERNETS = ("ofa_mobilenet_v3", "ofa_proxyless")
_SHOW = "import sys; from nas.cli import main; sys.exit(main(['spaces', 'show', sys.argv[1]]))"


def median_cpu_s(work: Callable[[], object], repeats: int) -> float:
    """Return the median CPU seconds of some work."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return statistics.median(times)


def show_cpu_s(name: str) -> float:
    """Return the CPU seconds of ``nas spaces show NAME``, its own Python included."""
    before = os.times()
    subprocess.run([sys.executable, "-c", _SHOW, name], check=True, capture_output=True)
    after = os.times()
    return (after.children_user - before.children_user) + (
        after.children_system - before.children_system
    )


def count_one_by_one(space: SearchSpace, population: Any) -> list[float]:
    """Return the MACs of every row by listing its blocks."""
    macs = Macs()
    return [
        sum(macs(block) for block in space.blocks(architecture).values() if block is not None)
        for architecture in space.decode_all(population)
    ]


def row(name: str, *, architectures: int, repeats: int) -> dict[str, Any]:
    """Measure one space."""
    start = time.process_time()
    space = get_space(name)
    macs = compile_cost(space, Macs())
    compiled_s = time.process_time() - start
    population = space.sample(architectures, np.random.default_rng(0))
    few = population[:50]
    assert count_one_by_one(space, few) == macs(few).tolist()
    fast_s, slow_s, ratio = paired_cpu_seconds(
        lambda: macs(population), lambda: count_one_by_one(space, few), repeats
    )
    shown_s = statistics.median(show_cpu_s(name) for _ in range(3))
    return {
        "space": name,
        "blocks": len(space.distinct_blocks()),
        "compile_s": compiled_s,
        "macs_per_second": round(architectures / fast_s),
        "times_faster": architectures / len(few) / ratio,
        "one_by_one_per_second": round(len(few) / slow_s),
        "show_cpu_s": shown_s,
        "holds": architectures / fast_s > PER_SECOND_TARGET and shown_s < SHOW_TARGET_S,
    }


def main() -> None:
    """Print the tables and keep them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--architectures", type=int, default=200_000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    rows = [
        row(name, architectures=options.architectures, repeats=options.repeats)
        for name in list_spaces()
    ]
    print_table(rows)
    supernets = []
    for name in SUPERNETS:
        space = get_space(name)
        seconds = median_cpu_s(lambda space=space: Supernet(space), 3)
        supernets.append(
            {"supernet": name, "cpu_s": seconds, "holds": seconds < SUPERNET_TARGET_S}
        )
    print()
    print_table(supernets)
    targets = {
        "macs_per_second": PER_SECOND_TARGET,
        "show_cpu_s": SHOW_TARGET_S,
        "supernet_cpu_s": SUPERNET_TARGET_S,
    }
    write_result("spaces", {"targets": targets, "spaces": rows, "supernets": supernets})


if __name__ == "__main__":
    main()
