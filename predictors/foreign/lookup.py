"""Latency tables of ProxylessNAS and once-for-all (YAML) as a cost model.

The latency of a network is the plain sum of the means of its rows, in ms, at batch 1. The
files say nothing about device, runtime or date: the device is an argument.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from predictors.errors import TableError
from predictors.foreign.keys import Dialect, dialect_of, keys_of
from predictors.foreign.yaml_file import read_yaml
from predictors.latency.graph import is_timed
from predictors.provenance import Provenance
from search_spaces import SearchSpace
from search_spaces.blocks import BlockSpec
from search_spaces.errors import nearest

__all__ = ["LookupTable", "load_lookup_table"]


@dataclass(frozen=True)
class LookupTable:
    """A published latency table; a `CostModel`.

    Attributes:
        rows_ms: Mean latency by key.
        dialect: How the keys are spelt.
        source: Name of the file.
        device: What it was measured on, as its user says; empty when unknown.
    """

    rows_ms: Mapping[str, float]
    dialect: Dialect
    source: str
    device: str = ""
    metric: str = "latency_ms"
    reduce: Literal["sum", "max"] = "sum"
    constant: float = 0.0

    @property
    def provenance(self) -> Provenance:
        """Where its prices come from."""
        source = f"{self.dialect} latency table {self.source}"
        return Provenance("table", source, self.device or "unknown device")

    def __call__(self, block: BlockSpec) -> float:
        """Return the price of one block in ms.

        Raises:
            TableError: The table lacks it, or its format cannot describe it.
        """
        if not is_timed(block):
            return 0.0
        keys = keys_of(block, self.dialect)
        if keys is None:
            raise TableError(
                f"The format of {self.source} ({self.dialect}) cannot describe {block}. "
                "Build a table of your own: nas lut build --space NAME --out TABLE.lut.json"
            )
        missing = [key for key in keys if key not in self.rows_ms]
        if missing:
            raise TableError(
                f"{self.source} has {len(self.rows_ms)} rows, but not {missing[0]!r}. "
                f"{nearest(missing[0], self.rows_ms) if self.rows_ms else ''} {self._advice()}"
            )
        return math.fsum(self.rows_ms[key] for key in keys)

    def cost_model(self) -> Self:
        """Return the table itself, where `LatencyTable.cost_model` returns one made of it."""
        return self

    def check(self, space: SearchSpace) -> None:
        """Check that every block of a space has its rows.

        Raises:
            TableError: Keys are missing, all of which are listed up to ten, or the format
                cannot describe a block.
        """
        missing: dict[str, None] = {}
        for block in filter(is_timed, space.distinct_blocks()):
            keys = keys_of(block, self.dialect)
            if keys is None:
                self(block)
                continue
            missing |= dict.fromkeys(key for key in keys if key not in self.rows_ms)
        if missing:
            listed = ", ".join(list(missing)[:10]) + (", ..." if len(missing) > 10 else "")
            raise TableError(
                f"{self.source} lacks {len(missing)} keys that space {space.name!r} needs: "
                f"{listed}. {self._advice()}"
            )

    def _advice(self) -> str:
        """Return what the table was made for."""
        stems = [key.removeprefix("Conv-") for key in self.rows_ms if key.startswith("Conv-")]
        stem = f"Its stem is {stems[0]}" if len(stems) == 1 else "Compare its Conv rows"
        return (
            f"{stem}: give the space the same resolution and width, for example "
            "--option resolutions=[224] --option width=1.2."
        )


def load_lookup_table(path: Path | str, *, device: str = "") -> LookupTable:
    """Read a YAML latency table of ProxylessNAS or once-for-all.

    Args:
        path: Of a mapping from key to an object with at least ``mean``, in ms.
        device: What it was measured on.

    Raises:
        MissingExtraError: PyYAML is not installed.
        TableError: The file is missing, damaged, or no such table.
    """
    path = Path(path)
    value = read_yaml(path)
    dialect = dialect_of(str(key) for key in value) if isinstance(value, dict) else None
    if dialect is None:
        raise TableError(
            f"{path} is no latency table of ProxylessNAS or once-for-all: it must map keys such "
            "as 'expanded_conv-input:...-output:...-expand:...' to {count, mean, std}."
        )
    rows = {str(key): _mean_ms(path, key, row) for key, row in value.items()}
    return LookupTable(rows, dialect, path.name, device)


def _mean_ms(path: Path, key: object, row: Any) -> float:
    """Return the mean latency of a row.

    Raises:
        TableError: It has none that is a positive finite number.
    """
    mean = row.get("mean") if isinstance(row, dict) else None
    if isinstance(mean, bool) or not isinstance(mean, int | float):
        raise TableError(f"{path}: row {key!r} needs a number 'mean' in ms, got {row!r:.80}.")
    if not (math.isfinite(mean) and mean > 0):
        raise TableError(f"{path}: the mean of row {key!r} is {mean}, not a positive number.")
    return float(mean)
