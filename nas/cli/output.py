"""What the commands print."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from nas.search import Problem, ranges
from nas.text import columns, quantity, title

__all__ = ["print_json", "print_ranges"]


def print_json(value: Mapping[str, Any]) -> None:
    """Print an object as JSON, the interface that scripts rely on."""
    print(json.dumps(value, indent=2))


def print_ranges(problem: Problem) -> None:
    """Print the exact reachable range of every cost and the limits on it."""
    limits = {limit.metric: limit for limit in problem.limits}
    rows = []
    for found in ranges(problem):
        metric, limit = found.metric, limits.get(found.metric)
        asked = "" if limit is None else f"<= {quantity(metric, limit.value)}{limit.remark}"
        low = quantity(metric, found.smallest.value)
        high = quantity(metric, found.largest.value)
        rows.append((title(metric), low, high, asked))
    print(columns(("reachable", "smallest", "largest", "limit"), rows))
    print()
