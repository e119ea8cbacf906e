"""measurements.json: every number known of an exported subnet, and the card made from them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nas.archive import Metric
from nas.errors import ExportError
from nas.export.card import model_card
from nas.export.manifest import read_manifest
from nas.files import atomic_write
from predictors.errors import TableError
from predictors.provenance import Provenance

__all__ = ["CARD", "MEASUREMENTS", "read_measurements", "write_measurements"]

MEASUREMENTS = "measurements.json"
CARD = "README.md"


def write_measurements(folder: Path | str, metrics: Mapping[str, Metric]) -> None:
    """Add numbers to an export folder and write its model card anew.

    Args:
        folder: What `export_subnet` made.
        metrics: By name; one that was there before is replaced.

    Raises:
        ExportError: It is no export folder, or what it holds is damaged.
        RunError: The disk is full or the folder not writable.
    """
    folder = Path(folder)
    known = read_measurements(folder) if (folder / MEASUREMENTS).exists() else {}
    known.update(metrics)
    value = {
        name: {"value": metric.value, "provenance": metric.provenance.to_json()}
        for name, metric in known.items()
    }
    atomic_write(folder / MEASUREMENTS, json.dumps(value, indent=2, ensure_ascii=False) + "\n")
    files = [entry.name for entry in sorted(folder.glob("model.*"))]
    atomic_write(folder / CARD, model_card(read_manifest(folder), known, files=files))


def read_measurements(folder: Path | str) -> dict[str, Metric]:
    """Return every number of an export folder by name.

    Raises:
        ExportError: measurements.json is missing or damaged.
    """
    path = Path(folder) / MEASUREMENTS
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): _metric(entry) for name, entry in value.items()}
    except OSError as error:
        raise ExportError(
            f"cannot read {path}: {error.strerror}. Export the subnet again."
        ) from error
    except (ValueError, TypeError, KeyError, AttributeError, TableError) as error:
        raise ExportError(f"{path} is damaged: {error}. Export the subnet again.") from error


def _metric(entry: Mapping[str, Any]) -> Metric:
    value = float(entry["value"])
    if not math.isfinite(value):
        raise ValueError(f"{value} is no result")
    return Metric(value, Provenance.from_json(entry["provenance"]))
