"""What several architectures in one batch cost, against one architecture and against masks.

    python benchmarks/multi_architecture.py

One thread, CPU seconds, both sides in turns: whole training steps of vit_resnas on 32 px, 64
images. A batch with channels masked computes the largest block of every slot for all images, so
one pass of the largest network on the whole batch is less than masks can cost.
"""

from __future__ import annotations

import argparse
from typing import Any

import torch
from common import paired_cpu_seconds, print_table, write_result
from strategy_step import images, step_of

from search_spaces import get_space

OPTIONS: dict[str, Any] = {"resolution": 32, "patch": 4, "classes": 10, "width": 0.125}
REPEATS = 12


def main() -> None:
    """Measure, print and keep the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    space = get_space("vit_resnas", **OPTIONS)
    one, _ = step_of(space, images(), {"strategy": "single_path"}, 0)
    largest, _ = step_of(space, images(), {"strategy": "delayed", "full_epochs": 20}, 0)
    rows = []
    for count in (2, 4, 8):
        options = {"strategy": "multi_architecture", "architectures": count}
        step, _ = step_of(space, images(), options, 0)
        many, single, _ = paired_cpu_seconds(step, one, repeats)
        again, bound, _ = paired_cpu_seconds(step, largest, repeats)
        rows.append(
            {
                "architectures": count,
                "cpu_ms": 1e3 * many,
                "over one path": many / single,
                "over the largest": again / bound,
            }
        )
    print_table(rows)
    print(write_result("multi_architecture", {"space": OPTIONS, "repeats": repeats, "rows": rows}))


if __name__ == "__main__":
    main()
