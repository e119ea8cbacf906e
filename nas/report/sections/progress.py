"""How the search went: the best subnet within the limits after each evaluation."""

from __future__ import annotations

from nas.report.charts import (
    accuracy_scale,
    axis_label,
    hover,
    lower_edge,
    thinned,
    tick_format,
)
from nas.report.collect import Collected
from nas.report.markup import Html, figure, section
from nas.report.scales import linear_scale
from nas.report.svg import LEFT, RIGHT, Plot
from nas.text import plain_number

__all__ = ["progress"]


def progress(data: Collected) -> Html:
    """Return the chart, or nothing before the search."""
    rows = data.scored
    if not rows:
        return Html("")
    objective = data.objective
    scores = [row.metrics[objective].value for row in rows]
    best: list[tuple[float, float]] = []
    for row in rows:
        value = row.metrics[objective].value
        if data.within_limits(row) and (not best or value > best[-1][1]):
            best.append((float(row.order), value))
    last = float(max(row.order for row in rows))
    y, below = accuracy_scale(scores)
    plot = Plot("Search progress", linear_scale([0.0, last], LEFT, RIGHT, margin=0.02), y)
    plot.axes(
        "Evaluations",
        axis_label(objective, max(scores)),
        x_format=plain_number,
        y_format=tick_format(objective, max(scores)),
    )
    drawn, note = thinned(rows)
    for style, inside, legend in (
        ("dot bad", False, "beyond a limit"),
        ("dot faint", True, "within limits"),
    ):
        some = [row for row in drawn if data.within_limits(row) == inside]
        if some:
            points = [
                (float(row.order), row.metrics[objective].value, hover(row, objective))
                for row in some
            ]
            plot.points(points, style, radius=2.4, legend=legend)
    if best:
        plot.steps([*best, (last, best[-1][1])], "line front", legend="best so far")
    caption = f"{len(rows):,} evaluations in the order in which they were made."
    if best:
        caption += f" The best subnet within the limits came at evaluation {best[-1][0]:,.0f}."
    return section(
        "progress",
        "Search progress",
        figure(plot.render(), caption + note + lower_edge(below)),
    )
