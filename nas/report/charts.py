"""What the charts share: axes of a metric, and the Pareto front of two numbers."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

import numpy as np

from nas.archive import Evaluated
from nas.report.scales import Scale, linear_scale, log_scale
from nas.report.svg import BOTTOM, LEFT, RIGHT, TOP
from nas.search.pareto import pareto_front
from nas.text import axis_unit, plain_number, quantity, title

__all__ = [
    "accuracy_scale",
    "axis_label",
    "cost_scale",
    "front_line",
    "hover",
    "lower_edge",
    "thinned",
    "tick_format",
]

_MOST = 2000
"""Subnets drawn in one chart; more would make a page of many megabytes and no better picture."""
_WIDE = 12.0
"""Ratio of the largest to the smallest cost above which an axis is logarithmic."""


def axis_label(metric: str, largest: float) -> str:
    """Return the name of a metric with the unit its axis is in."""
    unit, _ = axis_unit(metric, largest)
    return f"{title(metric)} ({unit})" if unit else title(metric)


def tick_format(metric: str, largest: float) -> Callable[[float], str]:
    """Return what turns a value into the number at a tick."""
    _, factor = axis_unit(metric, largest)
    return lambda value: plain_number(round(value / factor, 6))


def cost_scale(metric: str, values: Sequence[float]) -> Scale:
    """Return the horizontal scale of a cost: logarithmic where it spans more than a decade."""
    _, unit = axis_unit(metric, max(values))
    if min(values) > 0 and max(values) / min(values) > _WIDE:
        return log_scale(values, LEFT, RIGHT, unit=unit)
    return linear_scale(values, LEFT, RIGHT, unit=unit)


def accuracy_scale(values: Sequence[float]) -> tuple[Scale, int]:
    """Return a vertical scale on which the good subnets can be told apart.

    A few bad ones must not press all others into a line: the scale reaches at most four
    times as far below the best as the median does.

    Returns:
        The scale, and how many values lie below it.
    """
    best, middle = max(values), statistics.median(values)
    low = max(min(values), best - 4 * max(best - middle, 0.005))
    shown = [value for value in values if value >= low]
    return linear_scale(shown, BOTTOM, TOP), len(values) - len(shown)


def front_line(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the points that no other beats in both cost (lower) and score (higher).

    Args:
        points: Cost and score of each.

    Returns:
        Ascending in both, without repetition.
    """
    if not points:
        return []
    mask = pareto_front(np.array(points), ["minimize", "maximize"])
    return sorted({point for point, kept in zip(points, mask.tolist(), strict=True) if kept})


def hover(row: Evaluated, *metrics: str) -> str:
    """Return what is shown of a subnet when the mouse rests on it."""
    known = [name for name in metrics if name in row.metrics]
    lines = [f"{title(name)}: {quantity(name, row.metrics[name].value)}" for name in known]
    return "\n".join([row.id, *lines])


def thinned(rows: Sequence[Evaluated]) -> tuple[list[Evaluated], str]:
    """Return the subnets to draw, evenly chosen where there are too many, and words on that."""
    if len(rows) <= _MOST:
        return list(rows), ""
    step = len(rows) / _MOST
    return [rows[int(i * step)] for i in range(_MOST)], f" {_MOST:,} of them are drawn."


def lower_edge(below: int) -> str:
    """Return words on the subnets that a chart draws at its lower edge."""
    if not below:
        return ""
    verb = "is" if below == 1 else "are"
    return f" {below:,} with lower accuracy {verb} drawn at the lower edge."
