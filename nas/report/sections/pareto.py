"""Accuracy against every cost that matters, with the front and the limits."""

from __future__ import annotations

from nas.archive import Evaluated
from nas.report.charts import (
    accuracy_scale,
    axis_label,
    cost_scale,
    front_line,
    hover,
    lower_edge,
    thinned,
    tick_format,
)
from nas.report.collect import Collected
from nas.report.markup import (
    Html,
    code,
    figure,
    figures,
    join,
    paragraph,
    section,
    table,
)
from nas.report.svg import Plot
from nas.search.selection import front, value_of
from nas.text import in_sentence, quantity, title

__all__ = ["pareto"]


def pareto(data: Collected) -> Html:
    """Return one chart for each limited cost, and for MACs and latencies in any case.

    Before the search there is nothing to show; the first section says so.
    """
    if not data.scored:
        return Html("")
    wanted = [*(limit.metric for limit in data.limits), "macs", *data.latencies]
    known = {name for row in data.scored for name in row.metrics}
    charts = [_chart(data, metric) for metric in dict.fromkeys(wanted) if metric in known]
    intro = paragraph(
        "Each circle is one evaluated subnet with the weights it inherits from the supernet; "
        "rest the mouse on it to see its numbers. The line joins the subnets within all limits "
        "that none of these beats in both accuracy and this cost. "
        "Diamonds are the best subnets of the table above."
    )
    return section("pareto", "Accuracy against cost", intro, figures(charts), _front(data))


def _front(data: Collected) -> Html:
    """Return the front of all objectives at once as a table, where there are more than one."""
    objectives = data.problem.objectives
    if len(objectives) < 2:
        return Html("")
    found = front(data.problem, data.scored)
    names = [objective.metric for objective in objectives]
    rows = [
        [code(row.id), *(quantity(name, value_of(data.problem, row, name)) for name in names)]
        for row in found
    ]
    words = (
        f"{len(found):,} of the {len(data.scored):,} evaluated subnets are within all limits and "
        f"beaten by none in all of {', '.join(map(in_sentence, names))} at once."
    )
    body = table(["Subnet", *map(title, names)], rows, words=(0,))
    shown = Html(f"<details><summary>The front of all objectives</summary>{body}</details>")
    return join(paragraph(words), shown)


def _chart(data: Collected, metric: str) -> Html:
    objective = data.objective
    rows = [row for row in data.scored if metric in row.metrics]
    limit = next((bound for bound in data.limits if bound.metric == metric), None)
    costs = [row.metrics[metric].value for row in rows] + ([limit.value] if limit else [])
    scores = [row.metrics[objective].value for row in rows]
    y, below = accuracy_scale(scores)
    name = f"{title(objective)} against {in_sentence(metric)}"
    plot = Plot(name, cost_scale(metric, costs), y)
    plot.axes(
        axis_label(metric, max(costs)),
        axis_label(objective, max(scores)),
        x_format=tick_format(metric, max(costs)),
        y_format=tick_format(objective, max(scores)),
    )

    note = _subnets(plot, data, rows, metric)
    front = front_line([_at(row, metric, objective) for row in rows if data.within_limits(row)])
    plot.steps(front, "line front", legend="front" if front else "")
    if limit:
        text = f"limit {quantity(metric, limit.value)}"
        plot.vertical(limit.value, "line limit", text=text, legend=text)
    marks = [
        (*_at(chosen.row, metric, objective), chosen.name, hover(chosen.row, objective, metric))
        for chosen in data.chosen
        if {metric, objective} <= set(chosen.row.metrics)
    ]
    plot.marked(marks, "diamond mark", legend="best" if marks else "")
    caption = f"{plot.title}: {len(rows):,} subnets, {len(front)} on the front."
    return figure(plot.render(), caption + note + lower_edge(below))


def _subnets(plot: Plot, data: Collected, rows: list[Evaluated], metric: str) -> str:
    """Draw the evaluated subnets; return words on how many of them."""
    drawn, note = thinned(rows)
    for style, inside, legend in (
        ("dot bad", False, "beyond a limit"),
        ("dot good", True, "within limits"),
    ):
        points = [
            (*_at(row, metric, data.objective), hover(row, data.objective, *data.costs))
            for row in drawn
            if data.within_limits(row) == inside
        ]
        plot.points(points, style, legend=legend if points else "")
    return note


def _at(row: Evaluated, metric: str, objective: str) -> tuple[float, float]:
    return row.metrics[metric].value, row.metrics[objective].value
