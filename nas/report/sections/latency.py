"""Predicted latency against measured latency, and how good the latency table is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from nas.latency_tables import AnyTable
from nas.metric_names import measured as measured_name
from nas.metric_names import split_place
from nas.report.charts import axis_label, tick_format
from nas.report.collect import Collected
from nas.report.markup import Html, figure, join, missing, paragraph, section, table
from nas.report.scales import linear_scale
from nas.report.svg import BOTTOM, LEFT, RIGHT, TOP, Plot
from nas.text import moment, quantity
from predictors.foreign import LookupTable
from predictors.latency import Agreement, LatencyTable
from predictors.latency.describe import correction
from predictors.latency.validation import agreement

__all__ = ["latency"]

_HEADING = "Latency: predicted against measured"
_BAND = 0.10
HELD_OUT, FITTED, CHOSEN = "held out", "fitted on", "best subnets"


@dataclass(frozen=True, slots=True)
class Pair:
    """Predicted and measured latency of one network in ms, and its name."""

    predicted: float
    measured: float
    name: str

    @property
    def error(self) -> float:
        """Predicted over measured, less one."""
        return self.predicted / self.measured - 1

    def __str__(self) -> str:
        predicted = quantity("latency_ms", self.predicted)
        measured = quantity("latency_ms", self.measured)
        return f"{self.name}: predicted {predicted}, measured {measured} ({self.error:+.1%})"


def latency(data: Collected) -> Html:
    """Return the section: for each device its part, with the commands for what is missing.

    A run that knows no latency and asks for none has no such section.
    """
    parts = [part for metric in data.latencies for part in _device(data, metric)]
    return section("latency", _HEADING, *parts) if parts else Html("")


def _device(data: Collected, metric: str) -> list[Html]:
    """Return the part of one device; it has a heading where devices are named."""
    found, (place, _) = data.tables.get(metric), split_place(metric)
    measured = found if isinstance(found, LatencyTable) else None
    groups = {
        HELD_OUT: _table_pairs(measured, "validation"),
        FITTED: _table_pairs(measured, "calibration"),
        CHOSEN: _chosen_pairs(data, metric),
    }
    parts = [Html(f"<h3>{escape(place)}</h3>")] if place else []
    parts += [] if found else [_no_table(data, metric)]
    if any(groups.values()):
        chart = figure(_chart(groups, metric), _caption(groups))
        parts += [chart, _figures(measured, groups)]
    if found and data.chosen and not groups[CHOSEN]:
        parts.append(_untimed(data, found))
    heading = Html(f"<h3>The latency table{escape(f' of {place}') if place else ''}</h3>")
    if measured is not None:
        parts += [heading, _about(measured)]
    elif isinstance(found, LookupTable):
        parts += [heading, _about_published(found)]
    return parts


def _untimed(data: Collected, found: AnyTable) -> Html:
    """Return why no measured latency of the best subnets stands beside the predicted one."""
    if any(chosen.exported for chosen in data.chosen):
        return paragraph(
            "The exported subnets were not timed as whole networks here: an export times them on "
            f"its own machine only, and this table is of {found.device or 'an unknown device'}. "
            "Their latencies are what the table says.",
            style="missing",
        )
    what = "The best subnets were not measured as whole networks yet."
    return missing(what, f"nas export {data.run_name}")


def _no_table(data: Collected, metric: str) -> Html:
    if metric in data.table_problems:
        return paragraph(
            f"The latency table cannot be used: {data.table_problems[metric]}", style="missing"
        )
    if metric in data.costs:
        origin = data.costs[metric].provenance
        return paragraph(f"Latency comes from a predictor fitted on whole networks ({origin}).")
    what = (
        "The latency table of this run is not there yet, so no latency is predicted; the search "
        "begins with it."
    )
    return missing(what, f"nas search --resume {data.run_name}")


def _chosen_pairs(data: Collected, metric: str) -> list[Pair]:
    pairs = []
    for subnet in data.chosen:
        predicted = data.value(subnet.row, metric)
        timed = data.value(subnet.row, measured_name(metric))
        if predicted is not None and timed:
            pairs.append(Pair(predicted, timed, subnet.name))
    return pairs


def _table_pairs(table: LatencyTable | None, role: str) -> list[Pair]:
    return [
        Pair(network.estimated_ms, network.timing.latency_ms, f"{role} network")
        for network in (table.networks if table else ())
        if network.role == role
    ]


def _chart(groups: Mapping[str, Sequence[Pair]], metric: str) -> str:
    values = [v for pairs in groups.values() for p in pairs for v in (p.predicted, p.measured)]
    x = linear_scale(values, LEFT, RIGHT, margin=0.1)
    y = linear_scale(values, BOTTOM, TOP, margin=0.1)
    place, _ = split_place(metric)
    name = ", ".join(filter(None, ("Predicted against measured latency", place)))
    plot = Plot(name, x, y)
    low = max(x.low, 0.0)
    ends = [low + (x.high - low) * i / 100 for i in range(101)]  # marks are cut at the border
    plot.band(
        [(v, v / (1 + _BAND)) for v in ends],
        [(v, v / (1 - _BAND)) for v in ends],
        "area band",
        legend="within 10 %",
    )
    largest = max(values)
    ticks = tick_format(metric, largest)
    plot.axes(
        axis_label(metric, largest),
        axis_label(measured_name(metric), largest),
        x_format=ticks,
        y_format=ticks,
    )
    plot.line([(v, v) for v in ends], "line diagonal", legend="equal")
    for name, style in ((FITTED, "dot bad"), (HELD_OUT, "dot good")):
        points = [(pair.predicted, pair.measured, str(pair)) for pair in groups[name]]
        plot.points(points, style, radius=4, legend=name if points else "")
    marks = [(pair.predicted, pair.measured, pair.name, str(pair)) for pair in groups[CHOSEN]]
    plot.marked(marks, "diamond mark", legend=CHOSEN if marks else "")
    return plot.render()


def _caption(groups: Mapping[str, Sequence[Pair]]) -> str:
    counts = [f"{len(pairs)} {name}" for name, pairs in groups.items() if pairs]
    return (
        f"Whole networks: {', '.join(counts)}. On the line, prediction and measurement are equal."
    )


def _figures(latency_table: LatencyTable | None, groups: Mapping[str, Sequence[Pair]]) -> Html:
    """Return how well they agree, one row for each kind of network."""
    rows = [
        _row(
            name[0].upper() + name[1:],
            agreement(
                np.array([pair.predicted for pair in pairs]),
                np.array([pair.measured for pair in pairs]),
            ),
        )
        for name, pairs in groups.items()
        if pairs
    ]
    if latency_table is not None and latency_table.validation is not None:
        rows.append(_row("Measurement against itself", latency_table.validation.ceiling))
    header = ["Networks", "How many", "Spearman", "Within 5 %", "Within 10 %", "Bias", "Worst"]
    note = paragraph(
        "Spearman is the rank correlation: 1 means that predictions order networks as the device "
        "does. Bias is the mean error; above 0, predictions are too high. The measurement "
        "against itself, one half of its rounds against the other, is what no table can exceed.",
        style="soft",
    )
    return join(table(header, rows), note)


def _row(name: str, found: Agreement) -> list[str]:
    """Return the figures of one kind of network; a rank among two says nothing."""
    rank = f"{found.spearman:.3f}" if found.nets > 2 else "too few"
    shares = [f"{found.within_5_percent:.0%}", f"{found.within_10_percent:.0%}"]
    return [name, str(found.nets), rank, *shares, f"{found.bias:+.1%}", f"{found.worst:+.1%}"]


def _about_published(lookup: LookupTable) -> Html:
    """Return what a published table is, and what it does not say."""
    rows = [
        ["File", f"{lookup.source}, a table of {lookup.dialect}"],
        ["Device", lookup.device or "unknown"],
        ["Rows", f"{len(lookup.rows_ms):,}"],
    ]
    note = paragraph(
        "A published table: latencies are plain sums of its rows. It says nothing about runtime "
        "and date, and holds no whole networks to check the sums by.",
        style="soft",
    )
    return join(note, table(["What", "Value"], rows, words=(0, 1)))


def _about(latency_table: LatencyTable) -> Html:
    """Return what the table is."""
    fit = latency_table.calibration
    rows = [
        ["File", latency_table.source.removeprefix("latency table ")],
        ["Device", str(latency_table.device)],
        ["Runtime", str(latency_table.conditions)],
        ["Measured", f"{moment(latency_table.finished)}, {latency_table.rounds} rounds"],
        ["Blocks", f"{len(latency_table.rows):,}"],
    ]
    if fit.nets:
        rows.append(["Correction", correction(fit, "ms")])
    if suspicious := latency_table.suspicious():
        rows.append(["Doubtful rows", f"{len(suspicious)}, for example {suspicious[0].reason}"])
    return table(["What", "Value"], rows, words=(0, 1))
