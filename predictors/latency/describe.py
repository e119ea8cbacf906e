"""A latency table for people: what it is of, and how far to trust it."""

from __future__ import annotations

import dataclasses
from typing import Any

from predictors.latency.calibration import Calibration
from predictors.latency.runner.options import written_unit
from predictors.latency.table import LatencyTable
from predictors.latency.validation import Agreement

__all__ = ["correction", "describe_table", "table_summary"]


def table_summary(table: LatencyTable) -> dict[str, Any]:
    """Return what a table is and how good it is, without its rows, for JSON."""
    return {
        "metric": table.metric,
        "space": table.identity.space.to_json(),
        **dataclasses.asdict(table.conditions),
        "device": dataclasses.asdict(table.device),
        "started": table.started,
        "finished": table.finished,
        "blocks": len(table.rows),
        "networks": len(table.networks),
        "rounds": table.rounds,
        "call_ms": table.call_ms,
        "calibration": table.calibration.to_json(),
        "validation": table.validation.to_json() if table.validation else None,
        "suspicious": [
            {"block": found.block.to_json(), "reason": found.reason}
            for found in table.suspicious()
        ],
    }


def describe_table(table: LatencyTable) -> str:
    """Return the same as a few lines of text for a terminal."""
    space, fit, unit = table.identity.space, table.calibration, written_unit(table.metric)
    shapes = ", ".join(str(shape[-1]) for shape in space.input_shapes)
    lines = [
        f"{table.source}: {table.metric} of {len(table.rows)} blocks of "
        f"{'a part of ' if space.keep else ''}{space.name} at {shapes} px",
        f"  device       {table.device}",
        f"  runtime      {table.conditions}",
        f"  measured     {table.finished}, {table.rounds} rounds",
    ]
    if fit.nets:
        lines.append(f"  calibration  {correction(fit, unit)}")
    if table.validation is not None:
        lines.append(f"  held out     {_figures(table.validation.estimate)}")
        lines.append(f"  ceiling      {_figures(table.validation.ceiling)} (measured twice)")
    suspicions = table.suspicious()
    if suspicions:
        lines.append(
            f"  look at      {len(suspicions)} rows that are cheaper than a smaller block, for "
            f"example {suspicions[0].block}: {suspicions[0].reason}"
        )
    return "\n".join(lines)


def correction(fit: Calibration, unit: str) -> str:
    """Return what is made of the sum of a table's rows, as people write it; zeros are left out.

    Args:
        fit: From whole networks.
        unit: Of the table's metric.
    """
    terms = [
        (fit.per_block_ms, f"{unit} a block"),
        (fit.per_megabyte_ms, f"{unit} a MB of weights"),
        (fit.constant_ms, unit),
    ]
    first = f"{fit.scale:.3f} x sum ({fit.input_scale:.3f} x the first block)"
    added = [f"{value:+.4f} {what}" for value, what in terms if round(value, 4)]
    return f"{', '.join([first, *added])} ({fit.nets} networks)"


def _figures(figures: Agreement) -> str:
    return (
        f"{figures.nets} networks: Spearman {figures.spearman:.3f}, bias {figures.bias:+.1%}, "
        f"within 5 % {figures.within_5_percent:.0%}, within 10 % {figures.within_10_percent:.0%}"
    )
