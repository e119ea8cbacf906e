"""Latency tables of both kinds: measured here or on a device of one's own, and published ones."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

from predictors import CostTable, TableError, compile_cost
from predictors.foreign import LookupTable, load_lookup_table
from predictors.latency import LATENCY, LatencyTable, load_table
from search_spaces import SearchSpace

__all__ = ["AnyTable", "is_published", "latency_cost", "read_table"]

AnyTable: TypeAlias = LatencyTable | LookupTable
"""Both have ``check(space)`` and ``cost_model()``."""


def is_published(path: Path) -> bool:
    """Return whether a file is, by its ending, a YAML table of once-for-all or ProxylessNAS."""
    return path.suffix in (".yaml", ".yml")


def read_table(path: Path, *, device: str = "") -> AnyTable:
    """Read a latency table of either kind.

    Args:
        path: The file; one that ends in .yaml is a published one.
        device: What a published table was measured on, which it does not say itself.

    Raises:
        TableError: The file is missing, damaged, or no such table.
        MissingExtraError: It is a published one, and PyYAML is not installed.
    """
    if is_published(path):
        return load_lookup_table(path, device=device)
    table = load_table(path)
    if table.metric != LATENCY:
        raise TableError(
            f"{path} is a table of {table.metric}, not of {LATENCY}. Name it in a section "
            "[[predictors]], which takes any metric."
        )
    return table


def latency_cost(space: SearchSpace, table: AnyTable, metric: str) -> CostTable:
    """Return the latencies of a table, compiled for a space.

    Args:
        space: All its blocks are in the table.
        table: Of either kind.
        metric: The name of the cost, for example ``phone_latency_ms``.
    """
    return compile_cost(space, table.cost_model()).named(metric)
