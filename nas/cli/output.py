"""What the commands print."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from nas.archive import Evaluated
from nas.search import Problem, ranges, value_of
from nas.text import columns, quantity, title

__all__ = ["print_front", "print_json", "print_ranges"]

_MOST = 20


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


def print_front(problem: Problem, found: Sequence[Evaluated]) -> None:
    """Print the subnets that none beats in all objectives at once, evenly chosen if too many."""
    names = [objective.metric for objective in problem.objectives]
    count = min(len(found), _MOST)
    shown = [found[round(i * (len(found) - 1) / max(count - 1, 1))] for i in range(count)]
    rows = [
        (row.id, *(quantity(name, value_of(problem, row, name)) for name in names))
        for row in shown
    ]
    print(columns((f"front of {len(found):,}", *map(title, names)), rows))
    if len(found) > count:
        print(f"{count} of them; all are in front.json")
    print()
