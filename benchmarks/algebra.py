"""Architectures per second of compiled costs and of sampling, against a loop in plain Python.

    python benchmarks/algebra.py

One thread, CPU seconds, both sides in turns, on ofa_mobilenet_v3. The reference counts the
MACs of one architecture at a time with plain arithmetic, as tools of this field do; both must
find the same numbers. Latencies are random prices of every block: the speed is that of any
latency table.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
from common import paired_cpu_seconds, print_table, write_result

from predictors import CostModel, Macs, PeakMemory, Provenance, compile_cost
from search_spaces import Architecture, SearchSpace, get_space
from search_spaces.blocks import BlockSpec, layers_of

SPACE = "ofa_mobilenet_v3"
COST_TARGET = 3_000_000
SAMPLE_TARGET = 300_000
COMPILE_TARGET_S = 0.2


@dataclass(frozen=True)
class RandomLatency:
    """A price for every block, drawn once; stands for a measured table."""

    prices: dict[BlockSpec, float]
    metric: str = "latency_ms"
    reduce: Literal["sum", "max"] = "sum"
    constant: float = 0.1
    provenance: Provenance = Provenance("analytic", "random prices")  # noqa: RUF009

    def __call__(self, block: BlockSpec) -> float:
        """Return the price of one block in milliseconds."""
        return self.prices[block]


def random_latency(space: SearchSpace) -> RandomLatency:
    """Price every block of a space."""
    blocks = space.distinct_blocks()
    drawn = np.random.default_rng(0).uniform(0.05, 2.0, len(blocks))
    return RandomLatency(dict(zip(blocks, drawn.tolist(), strict=True)))


def reference_macs(architecture: Architecture) -> int:
    """Count once-for-all's MobileNetV3 of width 1.0 with plain arithmetic."""
    hw = (int(architecture["resolution"]) + 1) // 2
    total = (27 * 16 + 9 * 16 + 16 * 16) * hw * hw
    cin = 16
    stages = ((24, 2, 0), (40, 2, 1), (80, 2, 0), (112, 1, 1), (160, 2, 1))
    for s, (cout, stride, se) in enumerate(stages, start=1):
        for b in range(int(architecture[f"depth_{s}"])):
            kernel = int(architecture[f"kernel_{s}_{b}"])
            mid = rounded(cin * int(architecture[f"expand_{s}_{b}"]))
            total += cin * mid * hw * hw
            hw = (hw - 1) // (stride if b == 0 else 1) + 1
            total += (kernel * kernel * mid + mid * cout) * hw * hw
            total += 2 * mid * rounded(mid / 4) if se else 0
            cin = cout
    return total + 160 * 960 * hw * hw + 960 * 1280 + 1280 * 1000


def rounded(channels: float) -> int:
    """Round to a multiple of eight, never below 90 %."""
    result = max(8, int(channels + 4) // 8 * 8)
    return result + 8 if result < 0.9 * channels else result


def compare(
    what: str,
    fast: Callable[[], object],
    fast_n: int,
    slow: Callable[[], object],
    slow_n: int,
    *,
    target: int,
    repeats: int,
) -> dict[str, Any]:
    """Time a vectorised function against a loop; both rates are architectures per second."""
    fast_s, slow_s, ratio = paired_cpu_seconds(fast, slow, repeats)
    return {
        "what": what,
        "per_second": round(fast_n / fast_s),
        "target": target,
        "plain_python_per_second": round(slow_n / slow_s),
        "times_faster": fast_n / slow_n / ratio,
    }


def compile_row(what: str, model_of: Callable[[SearchSpace], CostModel]) -> dict[str, Any]:
    """Time a fresh space, its grid of blocks, and the compilation of a cost; and the extremes."""
    build, extreme = [], []
    for _ in range(5):
        model = model_of(get_space(SPACE))
        layers_of.cache_clear()
        start = time.process_time()
        space = get_space(SPACE)
        table = compile_cost(space, model)
        built = time.process_time()
        table.minimum(), table.maximum()
        build.append(built - start)
        extreme.append(time.process_time() - built)
    return {
        "what": what,
        "compile_s": statistics.median(build),
        "target_s": COMPILE_TARGET_S,
        "exact_extremes_s": statistics.median(extreme),
        "entries": sum(t.values.size for t in table.tables),
        "smallest": table.minimum().value,
        "largest": table.maximum().value,
    }


def main() -> None:
    """Print the tables and keep them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--architectures", type=int, default=500_000)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    n, repeats = options.architectures, options.repeats
    space = get_space(SPACE)
    population = space.sample(n, np.random.default_rng(0))
    some = space.decode_all(population[:1000])
    macs = compile_cost(space, Macs())
    assert [reference_macs(architecture) for architecture in some] == macs(
        population[:1000]
    ).tolist()

    def count_in_python() -> list[int]:
        return [reference_macs(architecture) for architecture in some]

    def deduplicate_in_python() -> int:
        rng = np.random.default_rng(1)
        seen: dict[tuple[object, ...], Architecture] = {}
        for row in space.sample(len(some), rng):
            architecture = space.decode(row)
            seen.setdefault(tuple(space.blocks(architecture).values()), architecture)
        return len(seen)

    rows = [
        compare(
            f"compiled {table.metric}",
            partial(table, population),
            n,
            count_in_python,
            len(some),
            target=COST_TARGET,
            repeats=repeats,
        )
        for table in (
            macs,
            compile_cost(space, random_latency(space)),
            compile_cost(space, PeakMemory()),
        )
    ]
    rows.append(
        compare(
            "sample, canonicalise, deduplicate",
            lambda: space.unique(space.sample(n, np.random.default_rng(1))),
            n,
            deduplicate_in_python,
            len(some),
            target=SAMPLE_TARGET,
            repeats=repeats,
        )
    )
    compiled = [
        compile_row("macs", lambda space: Macs()),
        compile_row("latency_ms", random_latency),
    ]
    print_table(rows)
    print()
    print_table(compiled)
    write_result(
        "algebra", {"space": SPACE, "architectures": n, "rates": rows, "compile": compiled}
    )


if __name__ == "__main__":
    main()
