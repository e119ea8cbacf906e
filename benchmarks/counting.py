"""Shares of a space within windows on costs, counted, against uniform draws in the same run.

python benchmarks/counting.py
"""

from __future__ import annotations

import argparse
import time
from fractions import Fraction
from typing import Any

import numpy as np
from common import print_table, write_result

from nas.shrinking import Band
from predictors import Macs, Params, compile_cost
from search_spaces import SearchSpace, get_space

_SPACES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("mobile_small", {}),
    ("ofa_mobilenet_v3", {"resolutions": [224]}),
    ("ofa_mobilenet_v3", {}),
    ("spos_shufflenet_v2", {}),
    ("autoformer", {}),
    ("darts", {}),
)
_DRAWS = 200_000


def windows(space: SearchSpace) -> list[Band]:
    """Return windows: up to the middle of the MACs, and the middle fifth of ratios."""
    macs, params = compile_cost(space, Macs()), compile_cost(space, Params())
    low, high = macs.minimum().value, macs.maximum().value
    rows = macs.sample(2001, rng=np.random.default_rng(0))
    ratios = np.quantile(macs(rows) / params(rows), [0.4, 0.6])
    ends = [Fraction(round(float(end) * 100), 100) for end in ratios]
    half = Fraction(round((low + high) / 2))
    return [Band(macs, Fraction(0), half), Band(macs, ends[0], ends[1], params)]


def row(name: str, options: dict[str, Any], band: Band) -> dict[str, Any]:
    """Count one window, and draw."""
    space = band.cost.space
    start = time.process_time()
    counted = band.count()
    seconds = time.process_time() - start
    rows = band.cost.sample(_DRAWS, rng=np.random.default_rng(1))
    values = band.cost(rows) / (1.0 if band.over is None else band.over(rows))
    drawn = float(((values >= float(band.low)) & (values <= float(band.high))).mean())
    low, high = (float(share) for share in counted.of(space.size))
    return {
        "space": name + "".join(f" {key}={value}" for key, value in options.items()),
        "size": space.size,
        "window": str(band),
        "low": low,
        "high": high,
        "exact": counted.exact,
        "networks": counted.low if counted.exact else None,
        "drawn": drawn,
        "drawn_error": float(np.sqrt(drawn * (1 - drawn) / _DRAWS)),
        "cpu_s": seconds,
    }


def main() -> None:
    """Print and keep the table."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    rows = [
        row(name, options, band)
        for name, options in _SPACES
        for band in windows(get_space(name, **options))
    ]
    print_table(rows)
    write_result("counting", {"draws": _DRAWS, "rows": rows})


if __name__ == "__main__":
    main()
