"""What every benchmark shares: the machine, paired CPU times, printed tables, kept results."""

from __future__ import annotations

import datetime
import gc
import json
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from predictors.latency import device_identity

__all__ = [
    "RESULTS",
    "machine",
    "paired_cpu_seconds",
    "print_table",
    "process_bytes",
    "write_result",
]

RESULTS = Path(__file__).resolve().parent / "results"


def machine() -> dict[str, Any]:
    """Describe the machine and the libraries that a figure was measured with."""
    import torch

    device = device_identity()
    return {
        "cpu": device.cpu,
        "cores": device.cores,
        "threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def paired_cpu_seconds(
    f: Callable[[], object], g: Callable[[], object], repeats: int
) -> tuple[float, float, float]:
    """Time two functions in turns, so that whatever else the machine does meets both.

    Both run once before the clock starts. The order within a pair alternates.

    Args:
        f: The function under test.
        g: What it is compared with.
        repeats: Number of pairs.

    Returns:
        Median CPU seconds of ``f``, of ``g``, and the median of the ratios f / g of the pairs.
    """
    f()
    g()
    times: dict[int, list[float]] = {0: [], 1: []}
    gc.collect()
    gc.disable()
    try:
        for repeat in range(repeats):
            for which in (0, 1) if repeat % 2 == 0 else (1, 0):
                start = time.process_time()
                (f, g)[which]()
                times[which].append(time.process_time() - start)
    finally:
        gc.enable()
    ratios = [a / b for a, b in zip(times[0], times[1], strict=True)]
    return statistics.median(times[0]), statistics.median(times[1]), statistics.median(ratios)


def process_bytes(field: str) -> int:
    """Return a size from the kernel's account of this process.

    Args:
        field: ``VmRSS`` for what it holds in memory, ``VmHWM`` for the most it ever held.
    """
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise SystemExit(f"/proc/self/status has no {field}; this measurement needs Linux.")


def print_table(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows with the same keys as aligned columns."""
    if not rows:
        return
    header = list(rows[0])
    cells = [[_text(row.get(key, "")) for key in header] for row in rows]
    widths = [max(len(line[i]) for line in [header, *cells]) for i in range(len(header))]
    for line in [header, ["-" * width for width in widths], *cells]:
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))


def _text(value: Any) -> str:
    """Return a number with four digits that count, anything else as it is."""
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e5 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def write_result(name: str, payload: Mapping[str, Any]) -> Path:
    """Write ``results/NAME.json`` with the machine beside the figures, and return its path."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    text = json.dumps({"machine": machine(), **payload}, indent=2)
    path.write_text(text + "\n", encoding="utf-8")
    return path
