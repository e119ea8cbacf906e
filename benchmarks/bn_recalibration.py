"""Batch-norm recalibration against a plain evaluation pass over the same 2,000 images.

Usage: python benchmarks/bn_recalibration.py [--repeats 9] [--threads 1]

Both passes normalise the images, run with the channels last and in inference mode. Bound: at
most 1.35 times the CPU seconds of the evaluation pass.
"""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

import numpy as np
import torch
from common import paired_cpu_seconds, print_table, write_result

from nas.data import ImageSet
from nas.devices import prepare_device
from nas.evaluation import accuracy, recalibrate
from predictors import Macs, compile_cost
from search_spaces import get_space
from search_spaces.supernet import Supernet

IMAGES = 2000
BOUND = 1.35


def main() -> None:
    """Measure, print and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    device = prepare_device("cpu", threads=options.threads)
    space = get_space("mobile_small", resolutions=(32,))
    macs = compile_cost(space, Macs())
    supernet = Supernet(space).eval()
    pixels = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (IMAGES, 3, 32, 32), dtype=torch.uint8, generator=pixels)
    labels = torch.zeros(IMAGES, dtype=torch.int64)
    image_set = ImageSet(images, labels, tuple(map(str, range(10))))
    subnets = {"smallest": macs.minimum().architecture, "largest": macs.maximum().architecture}
    for i, row in enumerate(space.sample(2, np.random.default_rng(0))):
        subnets[f"random {i}"] = space.decode(row)
    rows: list[dict[str, Any]] = []
    for name, architecture in subnets.items():
        subnet = supernet.subnet(architecture)
        for batch_size in (50, 250):
            passes: dict[str, Any] = {
                "resolution": 32,
                "mean": (0.5, 0.5, 0.5),
                "std": (0.25, 0.25, 0.25),
                "batch_size": batch_size,
                "device": device,
            }
            recalibration_s, evaluation_s, ratio = paired_cpu_seconds(
                partial(recalibrate, subnet, images, **passes),
                partial(accuracy, subnet, image_set, **passes),
                options.repeats,
            )
            rows.append(
                {
                    "subnet": name,
                    "macs": round(macs.of(architecture)),
                    "batch_size": batch_size,
                    "recalibration_cpu_s": recalibration_s,
                    "evaluation_cpu_s": evaluation_s,
                    "ratio": ratio,
                }
            )
    print_table(rows)
    worst = max(row["ratio"] for row in rows)
    print(f"worst ratio {worst:.2f}, bound {BOUND}")
    write_result("bn_recalibration", {"images": IMAGES, "bound": BOUND, "rows": rows})


if __name__ == "__main__":
    main()
