"""What every benchmark shares: the machine, paired CPU times, printed tables, kept results."""

from __future__ import annotations

import datetime
import gc
import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from predictors.latency import device_identity

__all__ = [
    "RESULTS",
    "hypervolume",
    "machine",
    "paired_cpu_seconds",
    "peer",
    "print_table",
    "process_bytes",
    "processor",
    "write_result",
]

RESULTS = Path(__file__).resolve().parent / "results"
PEERS = Path(__file__).resolve().parent / "peers"


def machine() -> dict[str, Any]:
    """Describe the machine and the libraries that a figure was measured with."""
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


def processor(device: torch.device) -> str:
    """Return the name of what a device computes on."""
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return device_identity().cpu


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


def peer(python: str, program: str, **options: Any) -> Any:
    """Run a peer's program in its environment on one thread and return what it prints."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(
        [python, str(PEERS / program), json.dumps(options)],
        env={**environment, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def hypervolume(values: NDArray[np.float64], reference: NDArray[np.float64]) -> float:
    """Return the volume dominated by points [n, k] that are to be minimised.

    The last objective is cut into slabs, each as high as the step to the next point.
    """
    values = values[(values < reference).all(axis=1)]
    if values.shape[1] == 1:
        return float(reference[0] - values.min()) if len(values) else 0.0
    values = values[np.argsort(values[:, -1], kind="stable")]
    ends = [*values[1:, -1].tolist(), float(reference[-1])]
    volume, front = 0.0, values[:0, :-1]
    for point, end in zip(values, ends, strict=True):
        rest = point[:-1]
        if not (front <= rest).all(axis=1).any():
            front = np.concatenate([front[~(rest <= front).all(axis=1)], rest[None]])
        if end > point[-1]:
            volume += (end - float(point[-1])) * hypervolume(front, reference[:-1])
    return volume


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
    """Return a number with four digits that count, nothing for None, anything else as it is."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e5 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def write_result(name: str, payload: Mapping[str, Any]) -> Path:
    """Write ``results/NAME.json`` with the machine beside the figures, and return its path."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    text = _json({"machine": machine(), **payload})
    path.write_text(text + "\n", encoding="utf-8")
    return path


def _json(value: Any, indent: str = "") -> str:
    """Return JSON with a line for each row of a table, and otherwise one for each value."""
    if isinstance(value, Mapping) and (not indent or any(_nested(v) for v in value.values())):
        items = [f"{json.dumps(key)}: {_json(v, indent + '  ')}" for key, v in value.items()]
        return f"{{\n{indent}  " + f",\n{indent}  ".join(items) + f"\n{indent}}}"
    if isinstance(value, list | tuple) and any(_nested(v) for v in value):
        items = [_json(v, indent + "  ") for v in value]
        return f"[\n{indent}  " + f",\n{indent}  ".join(items) + f"\n{indent}]"
    return json.dumps(value)


def _nested(value: Any) -> bool:
    return isinstance(value, Mapping | list | tuple)
