"""Numbers and tables as people read them: titles, units and aligned columns."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from nas.metric_names import split_place

__all__ = ["axis_unit", "columns", "in_sentence", "moment", "plain_number", "quantity", "title"]

_TITLES = {
    "accuracy": "Validation accuracy",
    "test_accuracy": "Test accuracy",
    "exported_accuracy": "Accuracy of the exported file",
    "macs": "MACs",
    "params": "Parameters",
    "peak_memory_bytes": "Peak activation memory",
    "int8_peak_memory_bytes": "Peak activation memory, int8",
    "latency_ms": "Predicted latency",
    "mpc_online_bytes": "Private inference data",
    "mpc_online_s": "Private inference time",
    "mpc_rounds": "Private inference rounds",
    "latency_ms_measured": "Measured latency",
}
_COUNTS = (("G", 1e9), ("M", 1e6), ("k", 1e3))


def title(metric: str) -> str:
    """Return what a person calls a metric, without its unit.

    Args:
        metric: Its name, for example ``peak_memory_bytes``; ``phone_latency_ms`` is the
            predicted latency, phone.
    """
    place, metric = split_place(metric)
    if metric in _TITLES:
        return ", ".join(filter(None, (_TITLES[metric], place)))
    for prefix in ("exported_accuracy_", "difference_"):
        if metric.startswith(prefix):
            what = metric.removeprefix(prefix)
            accuracy = prefix.startswith("exported")
            return f"Accuracy, {what} file" if accuracy else f"Largest difference, {what} file"
    for unit in ("_ms", "_s", "_mj", "_bytes"):
        metric = metric.removesuffix(unit)
    return metric.replace("_", " ").capitalize()


def in_sentence(metric: str) -> str:
    """Return the title of a metric as it is written within a sentence."""
    name = title(metric)
    return name if name[:2].isupper() else name[0].lower() + name[1:]


def moment(written: str) -> str:
    """Return an ISO date and time as people write it, to the minute; anything else unchanged."""
    try:
        found = datetime.fromisoformat(written)
    except ValueError:
        return written
    return f"{found:%Y-%m-%d %H:%M} {found:%Z}".rstrip()


def quantity(metric: str, value: float) -> str:
    """Return a value with the unit that its metric's name states.

    Args:
        metric: Its name; the ending says the unit.
        value: In that unit.
    """
    if metric.endswith(("_ms", "_ms_measured")):
        return f"{value:#.3g} ms" if value < 10 else f"{value:.1f} ms"
    if metric.endswith("_s"):
        return f"{value:#.3g} s" if value < 10 else f"{value:.1f} s"
    if metric.endswith("_mj"):
        return f"{value:.4g} mJ"
    if metric.endswith("_bytes"):
        return f"{value / 1024:,.1f} KiB" if value < 1 << 20 else f"{value / 2**20:,.2f} MiB"
    if "accuracy" in metric:
        return f"{value:.2%}"
    if metric in ("macs", "params"):
        for unit, factor in _COUNTS:
            if value >= factor:
                return f"{value / factor:.2f} {unit}"
    return f"{value:.3g}" if metric.startswith("difference") else f"{value:.6g}"


def axis_unit(metric: str, largest: float) -> tuple[str, float]:
    """Return the unit to write at an axis, and what to divide values by to get numbers in it.

    Args:
        metric: Its name; the ending says the unit.
        largest: The largest value on the axis.
    """
    if "accuracy" in metric:
        return "%", 0.01
    if metric.endswith(("_ms", "_ms_measured")):
        return "ms", 1.0
    if metric.endswith("_s"):
        return "s", 1.0
    if metric.endswith("_mj"):
        return "mJ", 1.0
    if metric.endswith("_bytes"):
        return ("MiB", 2.0**20) if largest >= 2**21 else ("KiB", 1024.0)
    if metric in ("macs", "params"):
        words = {"G": "billions", "M": "millions", "k": "thousands"}
        for unit, factor in _COUNTS:
            if largest >= 2 * factor:
                return words[unit], factor
    return "", 1.0


def plain_number(value: float) -> str:
    """Return a round number without needless digits, thousands separated."""
    return f"{value:,.6f}".rstrip("0").rstrip(".") if value % 1 else f"{value:,.0f}"


def columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return an aligned table; the first column is left-aligned, the others right-aligned.

    Args:
        header: One title for each column.
        rows: As many cells in each.
    """
    table = [list(header), *(list(row) for row in rows)]
    widths = [max(len(row[i]) for row in table) for i in range(len(header))]
    lines = []
    for row in table:
        first = row[0].ljust(widths[0])
        rest = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join([first, *rest]).rstrip())
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)
