"""Where prices come from without an engine: laws, or the table that ships with this version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from predictors.errors import TableError
from predictors.mpc.laws import Laws
from predictors.mpc.metrics import OperatorPrices, predict
from predictors.mpc.profiles import Protocol
from predictors.mpc.program import Program
from predictors.mpc.published import PublishedLaws
from predictors.mpc.table import MpcTable, load_mpc_table

__all__ = ["SHIPPED_SPACES", "known_prices", "known_rounds", "shipped_table"]

_FOLDER = Path(__file__).with_name("tables")

SHIPPED_SPACES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("mpc_vit", {"dim": 64}),
    (
        "mpc_resnet",
        {"resolution": 16, "widths": [8, 16], "depths": [1, 1], "shares": [0.0, 0.25, 1.0]},
    ),
)
"""Spaces, by name and options, whose every operator the shipped tables have."""


def known_prices(protocol: Protocol) -> OperatorPrices:
    """Return the prices of a protocol that need no engine: laws, published ones, or a table.

    Raises:
        TableError: There are none, or the shipped table is of another engine.
    """
    if protocol.name == "delphi":
        return PublishedLaws()
    return shipped_table(protocol) or Laws(protocol)


def known_rounds(program: Program, protocol: Protocol) -> float | None:
    """Return the rounds of a program, None where no prices are known without an engine.

    The engine counts sends; where those are no rounds, an execution cannot tell them.
    """
    try:
        return predict(program, known_prices(protocol)).rounds
    except TableError:
        return None


@lru_cache
def shipped_table(protocol: Protocol) -> MpcTable | None:
    """Return the table that ships for a protocol without laws; None where there is none.

    Raises:
        TableError: It is of another engine than this version computes with.
    """
    path = _FOLDER / f"{protocol.name}.mpc.json"
    if not path.is_file():
        return None
    spaces = "; ".join(_said(name, options) for name, options in SHIPPED_SPACES)
    return replace(load_mpc_table(path), origin=f"The table that ships ({spaces})")


def _said(name: str, options: Mapping[str, object]) -> str:
    return f"{name} {', '.join(f'{key} = {value}' for key, value in options.items())}".strip()
