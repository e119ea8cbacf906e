"""How the supernet was trained: loss and learning rate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from nas.report.collect import Collected
from nas.report.markup import Html, figure, figures, missing, paragraph, section
from nas.report.scales import linear_scale, log_scale
from nas.report.svg import BOTTOM, LEFT, RIGHT, TOP, Plot
from nas.text import plain_number

__all__ = ["training"]

_POINTS = 400
"""At most so many points in a line: more cannot be told apart on a screen."""
_WINDOW = 30
"""The smoothed line averages over about one part in so many of the log."""
_WIDE = 20.0
_PART_STYLES = ("line second", "line third", "line fourth")


def training(data: Collected) -> Html:
    """Return the curves, or what to run to get them."""
    if source := data.run.imported():
        note = paragraph(f"The supernet was not trained in this run; its weights: {source}.")
        return section("training", "Training", note)
    lines = [line for line in data.training if _number(line, "step") and _number(line, "loss")]
    if not lines:
        note = missing(
            "The training log is empty: the supernet is not trained yet.",
            f"nas train --resume {data.run_name}",
        )
        return section("training", "Training", note)
    charts = [_loss(lines)]
    rates = [line for line in lines if _number(line, "learning_rate")]
    if rates:
        charts.append(_rate(rates))
    return section("training", "Training", figures(charts))


def _loss(lines: Sequence[Mapping[str, Any]]) -> Html:
    raw = [(float(line["step"]), float(line["loss"])) for line in lines]
    parts = _parts(lines)
    losses = [loss for points in (raw, *parts.values()) for _, loss in points]
    wide = min(losses) > 0 and max(losses) / min(losses) > _WIDE
    plot = Plot(
        "Training loss",
        linear_scale([step for step, _ in raw], LEFT, RIGHT, margin=0.02),
        (log_scale if wide else linear_scale)(losses, BOTTOM, TOP),
    )
    plot.axes("Step", "Loss (nats)", x_format=plain_number, y_format=plain_number)
    plot.line(_thinned(raw), "line faint", legend="each logged step")
    plot.line(_thinned(_smoothed(raw)), "line front", legend="smoothed" if not parts else "mean")
    for (name, points), style in zip(parts.items(), _PART_STYLES, strict=False):
        plot.line(_thinned(_smoothed(points)), style, legend=f"{name} subnet")
    epochs = [line["epoch"] for line in lines if _number(line, "epoch")]
    passes = f" over {int(max(epochs)) + 1} epochs" if epochs else ""
    speeds = sorted(line["images_per_s"] for line in lines if _number(line, "images_per_s"))
    speed = f", {speeds[len(speeds) // 2]:,.0f} images/s (median)" if speeds else ""
    caption = f"Loss of the supernet, {lines[-1]['step']:,} steps{passes}{speed}."
    return figure(plot.render(), caption)


def _rate(lines: Sequence[Mapping[str, Any]]) -> Html:
    points = [(float(line["step"]), float(line["learning_rate"])) for line in lines]
    plot = Plot(
        "Learning rate",
        linear_scale([step for step, _ in points], LEFT, RIGHT, margin=0.02),
        linear_scale([rate for _, rate in points], BOTTOM, TOP, zero=True),
    )
    plot.axes("Step", "Learning rate", x_format=plain_number, y_format=plain_number)
    plot.line(_thinned(points), "line second")
    return figure(plot.render(), "Learning rate of the optimizer.")


def _parts(lines: Sequence[Mapping[str, Any]]) -> dict[str, list[tuple[float, float]]]:
    """Return the losses of a step's subnets by name, where the strategy tells them apart."""
    names = {key: key.removeprefix("loss_") for key in lines[-1] if key.startswith("loss_")}
    return {
        name: [(float(line["step"]), float(line[key])) for line in lines if _number(line, key)]
        for key, name in names.items()
    }


def _smoothed(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the exponential moving average, corrected for its start (Adam, section 3)."""
    decay = 1 - 1 / max(len(points) / _WINDOW, 1.0)
    total, weight, result = 0.0, 0.0, []
    for step, value in points:
        total = decay * total + (1 - decay) * value
        weight = decay * weight + (1 - decay)
        result.append((step, total / weight))
    return result


def _thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return evenly chosen points, the first and the last among them."""
    if len(points) <= _POINTS:
        return list(points)
    step = (len(points) - 1) / (_POINTS - 1)
    return [points[round(i * step)] for i in range(_POINTS)]


def _number(line: Mapping[str, Any], key: str) -> bool:
    """Return whether a log line holds a finite number under a key."""
    value = line.get(key)
    return isinstance(value, int | float) and math.isfinite(value)
