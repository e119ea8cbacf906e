"""The table of the best subnets, the same on the page and in the terminal."""

from __future__ import annotations

from collections.abc import Mapping

from nas.metric_names import measured
from nas.report.collect import Chosen, Collected
from nas.text import columns, quantity, title

__all__ = ["best_columns", "best_table", "plain_table"]

_FIXED = ("test_accuracy", "macs", "params", "peak_memory_bytes")
NOTHING = "\N{EN DASH}"


def best_columns(data: Collected) -> list[str]:
    """Return the metrics that are worth a column: those that some chosen subnet has."""
    known = {name for chosen in data.chosen for name in chosen.row.metrics}
    limited = [limit.metric for limit in data.limits]
    timed = [measured(name) for name in data.latencies]
    names = [data.objective, *_FIXED, *data.latencies, *limited, *timed, "exported_accuracy"]
    return [name for name in dict.fromkeys(names) if name in known or name in data.costs]


def best_table(data: Collected) -> tuple[list[str], list[list[str]]]:
    """Return header and rows: short name, id, then every metric with its unit."""
    metrics = best_columns(data)
    rows = [
        [chosen.name, chosen.row.id, *(cell(data, chosen, name) for name in metrics)]
        for chosen in data.chosen
    ]
    return ["", "Subnet", *(title(name) for name in metrics)], rows


def cell(data: Collected, chosen: Chosen, metric: str) -> str:
    """Return one number with its unit."""
    value = data.value(chosen.row, metric)
    return NOTHING if value is None else quantity(metric, value)


def plain_table(data: Collected) -> str:
    """Return the table of the best subnets in aligned columns for a terminal."""
    if not data.chosen:
        return "No subnet within the limits was evaluated yet."
    header, rows = best_table(data)
    short = {
        "Validation accuracy": "val. acc.",
        "Test accuracy": "test acc.",
        "Parameters": "params",
        "Peak activation memory": "peak mem.",
        "Peak activation memory, int8": "int8 peak mem.",
        "Predicted latency": "pred. lat.",
        "Measured latency": "meas. lat.",
        "Accuracy of the exported file": "exported acc.",
        "Private inference data": "priv. data",
        "Private inference time": "priv. time",
        "Private inference rounds": "priv. rounds",
        "Subnet": "subnet",
    }
    return columns([_shortened(name, short) for name in header], rows)


def _shortened(name: str, short: Mapping[str, str]) -> str:
    """Return a title in fewer letters, the name of a device behind it left as it is."""
    if name in short:
        return short[name]
    what, comma, place = name.rpartition(", ")
    return f"{short.get(what, what)}{comma}{place}"
