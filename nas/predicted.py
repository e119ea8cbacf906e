"""Costs that fitted predictors, and tables of other metrics than latency, give.

They are read from where a configuration says, or from the run.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from nas.config import Config
from nas.errors import ConfigError
from nas.files import atomic_path
from predictors import CostTable, PredictorError, compile_cost
from predictors.latency import LATENCY, load_table
from predictors.learned import load_predictor, price_cost
from search_spaces import SearchSpace

__all__ = ["keep_predictors", "predicted_costs"]


def predicted_costs(
    config: Config, space: SearchSpace, folder: Path | None = None
) -> tuple[CostTable, ...]:
    """Return the costs of a configuration's predictors, compiled for its space.

    Args:
        config: Names the files.
        space: The space it names.
        folder: Of the run, whose copies go first.

    Raises:
        PredictorError: A file is missing, damaged or of another space, or its predictor is no
            sum of prices of layers.
        TableError: A table is missing, damaged or lacks blocks of the space.
        ConfigError: Two give the same metric, or a table is one of latency.
    """
    costs: dict[str, CostTable] = {}
    for path in _paths(config, folder):
        try:
            cost = _cost(path, space)
        except PredictorError as error:
            raise PredictorError(f"predictors, {path}: {error}") from error
        if cost.metric in costs:
            raise ConfigError(f"predictors: two give {cost.metric}. Leave one out.")
        costs[cost.metric] = cost
    return tuple(costs.values())


def _cost(path: Path, space: SearchSpace) -> CostTable:
    if path.suffix != ".json":
        return price_cost(load_predictor(path), space)
    table = load_table(path)
    if table.metric == LATENCY:
        raise ConfigError(
            f"predictors, {path}: a table of latency belongs into the section [latency], which "
            "keeps limits with a confidence."
        )
    return compile_cost(space, table.cost_model(space))


def keep_predictors(config: Config, folder: Path) -> None:
    """Copy the predictors of a configuration into the folder of its run, once.

    Raises:
        RunError: The disk is full or the folder not writable.
    """
    for given, kept in zip(config.predictors, _kept(config, folder), strict=True):
        if not kept.exists():
            with atomic_path(kept) as temporary:
                shutil.copyfile(given.path, temporary)


def _kept(config: Config, folder: Path) -> Sequence[Path]:
    return [
        folder / f"predictor_{i}{Path(given.path).suffix}"
        for i, given in enumerate(config.predictors, 1)
    ]


def _paths(config: Config, folder: Path | None) -> Sequence[Path]:
    """Return the copies of the predictors in a run's folder, or the files where there is none."""
    given = [Path(predictor.path) for predictor in config.predictors]
    if folder is None:
        return given
    kept = _kept(config, folder)
    return [own if own.exists() else path for own, path in zip(kept, given, strict=True)]
