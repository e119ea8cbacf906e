"""From the arguments of a command to its run folder."""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from nas import pipeline
from nas.cli.progress import ProgressBar
from nas.config import (
    MAY_CHANGE,
    Config,
    LatencyConfig,
    changed_keys,
    load_config,
    parse_config,
)
from nas.errors import ConfigError
from nas.launch import launcher, restarted
from nas.predicted import keep_predictors, predicted_costs
from nas.problems import build_problem, searched_space, space_of
from nas.runs import RunFolder
from search_spaces.progress import silent

if TYPE_CHECKING:
    from nas.data import DataSplits
    from nas.world import World

__all__ = ["add_config", "add_run", "checked_run", "opened_run", "read_config", "shared_run"]

_FIXED = ("space", "data", "augment", "train", "seed", "latency", "predictors")
_MAY_CHANGE = (*(f"train.{key}" for key in MAY_CHANGE), "data.cache", "data.workers")


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add the configuration file, ``--set``, ``--out`` and ``--resume``."""
    parser.add_argument("config", metavar="CONFIG", nargs="?", type=Path, help="a TOML file")
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        dest="overrides",
        help="set one value of the configuration, for example train.epochs=3",
    )
    parser.add_argument(
        "--out", metavar="RUN", type=Path, help="run folder to make (default: runs/NAME)"
    )
    parser.add_argument("--resume", metavar="RUN", type=Path, help="go on with this run folder")


def add_run(parser: argparse.ArgumentParser) -> None:
    """Add an existing run folder as the first argument."""
    parser.add_argument("run", metavar="RUN", type=Path, help="a run folder")


def read_config(arguments: argparse.Namespace) -> Config:
    """Return the configuration that the arguments name.

    Raises:
        ConfigError: None is named, or it is wrong.
    """
    if arguments.config is None:
        raise ConfigError("Name a configuration file, or a run to go on with by --resume RUN.")
    return load_config(arguments.config, arguments.overrides)


def opened_run(arguments: argparse.Namespace, *, reuse: bool = False) -> RunFolder:
    """Return the run folder to work in: a new one, or an existing one to go on with.

    Args:
        arguments: From `add_config`.
        reuse: Whether the default folder is gone on with when it exists, as a later stage of
            the same configuration does.

    Raises:
        RunError: A new folder exists already, or an existing one is damaged.
        ConfigError: An existing run was made with other values of keys that may not change.
    """
    if arguments.resume is not None:
        run = RunFolder.open(arguments.resume)
        if arguments.config is None and not arguments.overrides:
            return run
        if arguments.config is None:
            raise ConfigError("--set needs the configuration file: give CONFIG as well.")
        return _with_config(run, read_config(arguments))
    config = read_config(arguments)
    path = _run_path(arguments)
    if reuse and (path / "run.json").exists():
        return _with_config(RunFolder.open(path), config)
    return RunFolder.create(path, config)


def checked_run(arguments: argparse.Namespace) -> tuple[RunFolder, DataSplits]:
    """Return the run folder and its images; a new folder is made only when all is well.

    Raises:
        NasError: As `opened_run`; or the data or the limits that need no measurement are wrong.
    """
    if arguments.resume is None and restarted():
        arguments.resume = _begun_before(arguments)
    if arguments.resume is not None:
        run = opened_run(arguments)
        return run, _checked_images(run.config, run)
    splits = _checked_images(read_config(arguments))
    run = opened_run(arguments)
    keep_predictors(run.config, run.path)
    return run, splits


def shared_run(arguments: argparse.Namespace, world: World) -> tuple[RunFolder, DataSplits]:
    """Return run folder and images in every one of several processes.

    The first does what `checked_run` does and tells the others the configuration, so that they
    need neither the folder nor the file, and find the images that it decoded in the cache.

    Raises:
        NasError: As `checked_run`, in the first process.
        ElsewhereError: In the others, where it failed.
    """
    checked = world.first(lambda: checked_run(arguments))
    run = checked[0] if checked else None
    told = world.tell(run and {"path": str(run.path), "config": run.config.to_json()})
    if checked:
        return checked
    config = parse_config(told["config"], source="that the first process told")
    splits = pipeline.load_splits(config, space_of(config), lambda title: nullcontext(silent))
    return RunFolder(Path(told["path"]), config), splits


def _run_path(arguments: argparse.Namespace) -> Path:
    """Return where the new run folder is to be."""
    path: Path = arguments.out or Path("runs") / arguments.config.stem
    return path


def _begun_before(arguments: argparse.Namespace) -> Path | None:
    """Return the run folder that these processes made before torchrun restarted them."""
    path = _run_path(arguments)
    if not (path / "run.json").exists():
        return None
    return path if RunFolder.open(path).about().get("launcher") == launcher() else None


def _checked_images(config: Config, run: RunFolder | None = None) -> DataSplits:
    space, searched = space_of(config), searched_space(config)
    predicted = predicted_costs(config, searched, run.path if run else None)
    pipeline.check_limits(config, build_problem(config, searched, None, predicted))
    pipeline.check_training(config, space)
    splits = pipeline.load_splits(config, space, ProgressBar)
    pipeline.check_training(config, space, images=len(splits.train))
    return splits


def _with_config(run: RunFolder, config: Config) -> RunFolder:
    """Return the run with a changed configuration, where only what may change was changed."""
    changed = changed_keys(run.config.to_json(), config.to_json())
    new = _new_devices(run.config, config)
    refused = [
        key
        for key in changed
        if key.split(".")[0] in _FIXED and key not in _MAY_CHANGE and key not in new
    ]
    if refused:
        raise ConfigError(
            f"{run.path} was made with other values of: {', '.join(refused)}. "
            "They decide the trained weights and the measurements; put them back, or start a "
            "new run with --out. What may change: the sections evaluate, search and export, "
            f"and {', '.join(_MAY_CHANGE)}. A section [latency.NAME] for another device may be "
            "added."
        )
    return run.with_config(config) if changed else run


def _new_devices(old: Config, new: Config) -> set[str]:
    """Return the keys of latency sections that were added: a trained supernet may get a device."""
    if old.latency is None:
        return {"latency"}
    if isinstance(old.latency, LatencyConfig) or not isinstance(new.latency, dict):
        return set()
    return {f"latency.{name}" for name in new.latency.keys() - old.latency.keys()}
