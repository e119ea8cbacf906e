"""Measured networks to fit a predictor on: from a run's archive, or from a file of a user."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nas.archive import Archive
from nas.errors import DataError, nearest
from predictors.provenance import Provenance
from search_spaces import Architecture, Population, SearchSpace, get_space

__all__ = ["Measured", "measured_in_archive", "measured_in_file"]


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """Networks with one metric.

    Attributes:
        space: Their space.
        population: Int16 [n, d].
        values: In the metric's unit, float64 [n].
        provenance: Of the values.
    """

    space: SearchSpace
    population: Population
    values: NDArray[np.float64]
    provenance: Provenance


def measured_in_archive(path: Path, metric: str) -> Measured:
    """Return what the archive of a run knows of a metric.

    Raises:
        RunError: There is no such archive, or it is damaged.
        DataError: No evaluation has the metric.
    """
    with Archive.read(path) as archive:
        space = get_space(archive.space_name, **archive.space_options)
        rows = archive.rows()
    known = [row for row in rows if metric in row.metrics]
    if not known:
        names = {name for row in rows for name in row.metrics}
        raise DataError(f"No evaluation in {path} has {metric!r}. {nearest(metric, names)}")
    values = np.array([row.metrics[metric].value for row in known])
    population = space.encode_all(row.architecture for row in known)
    return Measured(space, population, values, known[0].metrics[metric].provenance)


def measured_in_file(path: Path, space: SearchSpace, metric: str, *, device: str = "") -> Measured:
    """Read a JSON list of objects with ``architecture`` and the metric.

    Raises:
        DataError: It is no such list, or a value is no number.
        SpaceError: An architecture is not of the space.
    """
    try:
        items = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is no readable JSON: {error}.") from error
    if not isinstance(items, list):
        raise DataError(f'{path} must be a list of {{"architecture": ..., "{metric}": ...}}.')
    values = []
    for number, item in enumerate(items, 1):
        value = item.get(metric) if isinstance(item, dict) else None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise DataError(f"{path}, item {number}: {metric} must be a number, got {value!r}.")
        values.append(float(value))
    population = space.encode_all(
        Architecture.from_json(item.get("architecture")) for item in items
    )
    provenance = Provenance("measured", path.name, device=device)
    return Measured(space, population, np.array(values), provenance)
