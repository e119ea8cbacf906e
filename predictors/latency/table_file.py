"""The file of a latency table: versioned JSON that people can read, one row a line."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from predictors.errors import TableError
from predictors.latency.calibration import Calibration
from predictors.latency.fields import Fields
from predictors.latency.files import write_text
from predictors.latency.graph import executed
from predictors.latency.runner.identity import Identity
from predictors.latency.runner.options import LATENCY, unit_of
from predictors.latency.runner.timing import Timing
from predictors.latency.table import LatencyTable, MeasuredNetwork, NetworkRole, Reference, Row
from predictors.latency.validation import Agreement, Validation
from search_spaces import Architecture
from search_spaces.blocks import block_from_json
from search_spaces.errors import SpaceError

__all__ = ["load_table", "save_table"]

_FORMAT, _VERSION = "latency-table", 3
_ROLES = ("calibration", "validation")
_DIGITS = 6
_LISTS = ("networks", "rows")
_FOREIGN = ("architecture", "block", "keep", "options")
_MEASURED = (
    "call_ms",
    "constant_ms",
    "estimated_ms",
    "halves_ms",
    "median_ms",
    "min_ms",
    "per_block_ms",
    "per_megabyte_ms",
)
"""Keys with a unit, beside that of the metric itself."""


def save_table(table: LatencyTable, path: Path | str) -> None:
    """Write a table, whole or not at all.

    Raises:
        TableError: The file cannot be written.
    """
    head = {
        "format": _FORMAT,
        "version": _VERSION,
        "metric": table.metric,
        **table.identity.to_json(),
        "started": table.started,
        "finished": table.finished,
        "rounds": table.rounds,
        "call_ms": table.call_ms,
        "calibration": table.calibration.to_json(),
        "validation": table.validation.to_json() if table.validation else None,
        "reference": {
            "latency_ms": table.reference.latency_ms,
            "architecture": table.reference.architecture.to_json(),
        }
        if table.reference
        else None,
    }
    rows = [{"block": row.block.to_json(), **dataclasses.asdict(row.timing)} for row in table.rows]
    networks = [
        {
            "role": net.role,
            "estimated_ms": net.estimated_ms,
            **dataclasses.asdict(net.timing),
            "architecture": net.architecture.to_json(),
        }
        for net in table.networks
    ]
    content = _renamed(_plain(head | {"networks": networks, "rows": rows}), _names(table.metric))
    parts = [
        _lines(key, value) if key in _LISTS else f" {json.dumps(key)}: {json.dumps(value)}"
        for key, value in content.items()
    ]
    write_text(Path(path), "{\n" + ",\n".join(parts) + "\n}\n")


def _names(metric: str) -> dict[str, str]:
    """Return how the keys whose names end in ms are called in a file of a metric."""
    unit = unit_of(metric)
    return {key: f"{key.removesuffix('_ms')}_{unit}" for key in _MEASURED} | {LATENCY: metric}


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    """Return a value of JSON with other names of keys; blocks and networks stay as they are."""
    if isinstance(value, dict):
        return {
            names.get(key, key): item if key in _FOREIGN else _renamed(item, names)
            for key, item in value.items()
        }
    return [_renamed(item, names) for item in value] if isinstance(value, list) else value


def _lines(key: str, items: list[dict[str, Any]]) -> str:
    inside = ",\n".join("  " + json.dumps(item) for item in items)
    return f' "{key}": [\n{inside}\n ]' if items else f' "{key}": []'


def _plain(value: Any) -> Any:
    """Return a value for JSON: floats with six digits, null for nan."""
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def load_table(path: Path | str) -> LatencyTable:
    """Read a table.

    Raises:
        TableError: It is missing, cut short, foreign, of a newer version, or has a row twice.
    """
    path = Path(path)
    fields = Fields(_read_json(path), str(path))
    if not isinstance(fields.value, dict) or fields.value.get("format") != _FORMAT:
        raise TableError(
            f'{path} is no latency table: it lacks "format": "{_FORMAT}". '
            "Build one with: nas lut build --space NAME --out TABLE.lut.json"
        )
    version = fields.integer("version")
    if version != _VERSION:
        raise TableError(
            f"{path} has version {version} of the table format; this version of the program "
            f"reads version {_VERSION}. Update the program or build the table again."
        )
    names = {theirs: ours for ours, theirs in _names(fields.text("metric")).items()}
    fields = Fields(_renamed(fields.value, names), fields.where)
    rows = [_row(item) for item in fields.items("rows")]
    _refuse_repeated(rows, path)
    validation = fields.optional_object("validation")
    reference = fields.optional_object("reference")
    return LatencyTable(
        identity=Identity.from_json(fields),
        started=fields.text("started"),
        finished=fields.text("finished"),
        rounds=fields.integer("rounds"),
        call_ms=fields.number("call_ms"),
        rows=tuple(rows),
        networks=tuple(_network(item) for item in fields.items("networks")),
        calibration=_calibration(fields.object("calibration")),
        validation=_validation(validation) if validation is not None else None,
        reference=_reference(reference) if reference is not None else None,
        source=f"latency table {path.name}",
    )


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TableError(
            f"Cannot read the latency table {path}: {error.strerror}. Build one with: "
            f"nas lut build --space NAME --out {path.name}"
        ) from error
    except ValueError as error:
        raise TableError(
            f"{path} is no latency table, or was cut short: {error}. Restore it from a copy or "
            "build it again."
        ) from error


def _timing(fields: Fields) -> Timing:
    first, second = (*fields.numbers("halves_ms"), math.nan, math.nan)[:2]
    return Timing(
        fields.number("latency_ms"),
        fields.number("median_ms"),
        fields.number("min_ms"),
        fields.number("spread"),
        fields.integer("runs"),
        (first, second),
    )


def _row(fields: Fields) -> Row:
    try:
        return Row(block_from_json(fields.object("block").value), _timing(fields))
    except SpaceError as error:
        raise TableError(
            f"{fields.where}: {error} A block family of a third party must be imported first."
        ) from error


def _refuse_repeated(rows: list[Row], path: Path) -> None:
    known: dict[Any, Row] = {}
    for row in rows:
        other = known.setdefault(executed(row.block), row)
        if other is not row:
            raise TableError(
                f"{path} has two rows for {row.block}: {other.timing.latency_ms} ms and "
                f"{row.timing.latency_ms} ms. Build the table again; do not merge tables by hand."
            )


def _reference(fields: Fields) -> Reference:
    architecture = Architecture.from_json(fields.object("architecture").value)
    return Reference(architecture, fields.number("latency_ms"))


def _network(fields: Fields) -> MeasuredNetwork:
    role = fields.text("role")
    if role not in _ROLES:
        raise TableError(f"{fields.where}: role must be one of {list(_ROLES)}, got {role!r}.")
    return MeasuredNetwork(
        cast(NetworkRole, role),
        Architecture.from_json(fields.object("architecture").value),
        fields.number("estimated_ms"),
        _timing(fields),
    )


def _quantiles(fields: Fields) -> tuple[float, float, float]:
    low, middle, high = (fields.number(key) for key in ("0.05", "0.5", "0.95"))
    return low, middle, high


def _calibration(fields: Fields) -> Calibration:
    return Calibration(
        fields.number("scale"),
        fields.number("input_scale"),
        fields.number("per_block_ms"),
        fields.number("per_megabyte_ms"),
        fields.number("constant_ms"),
        fields.integer("nets"),
        _quantiles(fields.object("residual_quantiles")),
    )


def _agreement(fields: Fields) -> Agreement:
    return Agreement(
        fields.integer("nets"),
        fields.number("spearman"),
        fields.number("kendall"),
        fields.number("bias"),
        fields.number("within_5_percent"),
        fields.number("within_10_percent"),
        fields.number("worst"),
    )


def _validation(fields: Fields) -> Validation:
    return Validation(
        _agreement(fields),
        _agreement(fields.object("ceiling")),
        _quantiles(fields.object("error_quantiles")),
    )
