"""The latency tables of a run: those that are configured, or one that is built here."""

from __future__ import annotations

import shutil
from pathlib import Path

from nas.config import LatencyConfig
from nas.errors import ConfigError
from nas.files import atomic_path
from nas.latency_tables import AnyTable, is_published, read_table
from nas.metric_names import split_place
from nas.pipeline.stage import Bars, stage
from nas.runs import RunFolder
from predictors.latency import LatencyTable, LutOptions, build_table
from search_spaces import SearchSpace

__all__ = ["has_tables", "latency_stage", "lut_options"]


def lut_options(config: LatencyConfig) -> LutOptions:
    """Return how a configuration measures latency."""
    return LutOptions(
        runtime=config.runtime,
        threads=config.threads,
        batch_size=config.batch_size,
        rounds=config.rounds,
        max_seconds=config.max_seconds,
        calibration_nets=config.calibration_nets,
    )


def _usable(path: Path, config: LatencyConfig, space: SearchSpace) -> AnyTable:
    """Load a table, maybe of another device, and check that it has every block of a space.

    Raises:
        TableError: It is damaged or lacks blocks.
    """
    table = read_table(path, device=config.table_device)
    table.check(space)
    return table


def _check_asked(table: AnyTable, path: Path, config: LatencyConfig) -> None:
    """Check that a table was measured as its section of a configuration asks.

    Raises:
        TableError: It was not.
        ConfigError: It is asked for what a table of its kind does not say, or says itself.
    """
    asked = {
        name: getattr(config, name)
        for name in ("runtime", "threads", "batch_size")
        if name in config.model_fields_set
    }
    if isinstance(table, LatencyTable):
        if config.table_device:
            raise ConfigError(
                f"latency.table_device = {config.table_device!r} is for YAML tables; {path} says "
                f"itself that it was measured on {table.device}. Leave it out."
            )
        table.check_conditions(**asked)
        return
    unusual = [name for name in asked if asked[name] != getattr(LatencyConfig(), name)]
    if unusual:
        raise ConfigError(
            f"{path} does not say how it was measured, so {', '.join(unusual)} of the section "
            "latency cannot be checked. Leave them out; name the device by latency.table_device."
        )


def latency_stage(run: RunFolder, space: SearchSpace, bars: Bars) -> dict[str, AnyTable]:
    """Return the run's latency tables: the configured ones, or those built on this machine.

    Returns:
        By the cost that each gives; none when the configuration has no ``[latency]`` section.

    Raises:
        TableError: A configured table does not cover the space, is damaged, or was measured
            otherwise than asked.
        ConfigError: It is asked for what a table of its kind does not say, or says itself.
    """
    sections = run.config.latencies
    given = {
        metric: _given_table(run, space, metric, section)
        for metric, section in sections.items()
        if section.table is not None
    }
    built: dict[str, AnyTable] = {}
    for metric in (metric for metric in sections if metric not in given):
        path, options = run.latency_table(metric), lut_options(sections[metric])
        title = " ".join(["latency table", *filter(None, split_place(metric)[:1])])
        with stage(run, "latency"), bars(title) as progress:
            built[metric] = build_table(space, options, path, progress=progress)
    return {metric: (given | built)[metric] for metric in sections}


def has_tables(run: RunFolder) -> bool:
    """Return whether every latency table that a run needs is in its folder."""
    return all(
        any(run.latency_table(metric, published=kind).exists() for kind in (False, True))
        for metric in run.config.latencies
    )


def _given_table(
    run: RunFolder, space: SearchSpace, metric: str, section: LatencyConfig
) -> AnyTable:
    """Return the run's copy of a configured table, which is made and checked the first time."""
    assert section.table is not None
    given = Path(section.table)
    path = run.latency_table(metric, published=is_published(given))
    if not path.exists():
        _check_asked(_usable(given, section, space), given, section)
        with atomic_path(path) as temporary:
            shutil.copyfile(given, temporary)
    return _usable(path, section, space)
