"""Plain text for terminals: aligned columns and numbers with units people read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["columns", "print_json", "quantity"]


def columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return aligned columns; the first is left-aligned, the others right-aligned."""
    table = [list(header), *(list(row) for row in rows)]
    widths = [max(len(row[i]) for row in table) for i in range(len(header))]
    lines = []
    for row in table:
        first = row[0].ljust(widths[0])
        rest = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join([first, *rest]).rstrip())
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def quantity(metric: str, value: float) -> str:
    """Return a value with the unit its metric's name says."""
    if metric.endswith("_ms"):
        return f"{value:.3g} ms" if value < 10 else f"{value:.1f} ms"
    if metric.endswith("_bytes"):
        return f"{value / 1024:,.1f} KiB" if value < 1 << 20 else f"{value / 2**20:,.2f} MiB"
    if metric.endswith("accuracy"):
        return f"{value:.2%}"
    if metric in ("macs", "params"):
        for unit, factor in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
            if value >= factor:
                return f"{value / factor:.2f} {unit}"
    return f"{value:.6g}"


def print_json(value: Mapping[str, Any]) -> None:
    """Print an object as JSON, the interface that scripts rely on."""
    print(json.dumps(value, indent=2))
