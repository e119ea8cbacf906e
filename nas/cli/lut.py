"""``nas lut build`` and ``nas lut show``."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from nas import pipeline
from nas.cli.arguments import add_json, add_space, chosen_space
from nas.cli.output import print_json
from nas.cli.progress import ProgressBar
from nas.config import load_config
from nas.errors import ConfigError
from nas.problems import space_of
from predictors.latency import LatencyTable, LutOptions, build_table, load_table

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    parser.add_argument("action", choices=("build", "show"), help="build a table, or show one")
    parser.add_argument(
        "source",
        metavar="CONFIG|TABLE",
        nargs="?",
        type=Path,
        help="build: a TOML file; show: a table",
    )
    add_space(parser)
    parser.add_argument("--runtime", metavar="NAME", help="what runs the blocks (onnxruntime)")
    parser.add_argument("--threads", metavar="N", type=int, help="threads of the runtime (1)")
    parser.add_argument(
        "--batch", metavar="N", type=int, dest="batch_size", help="images in one call (1)"
    )
    parser.add_argument(
        "--rounds", metavar="N", type=int, help="rounds of measurement (until it is sure enough)"
    )
    parser.add_argument("--out", metavar="TABLE", type=Path, help="file to write")
    add_json(parser)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    table = _build(arguments) if arguments.action == "build" else _load(arguments)
    if arguments.json:
        print_json(table.summary())
    else:
        print(table.describe())


def _load(arguments: argparse.Namespace) -> LatencyTable:
    if arguments.source is None:
        raise ConfigError("Name the table to show: nas lut show TABLE.")
    return load_table(arguments.source)


def _build(arguments: argparse.Namespace) -> LatencyTable:
    """Build the table that a configuration, or the flags, describe; flags win."""
    options = LutOptions()
    if arguments.source is not None:
        config = load_config(arguments.source)
        space = space_of(config)
        if config.latency is not None:
            options = pipeline.lut_options(config.latency)
    else:
        space = chosen_space(arguments)
    flags = {
        name: getattr(arguments, name)
        for name in ("runtime", "threads", "batch_size", "rounds")
        if getattr(arguments, name) is not None
    }
    options = dataclasses.replace(options, **flags)
    path = arguments.out or Path(f"{space.name}.{options.runtime}.lut.json")
    with ProgressBar("latency table") as progress:
        table = build_table(space, options, path, progress=progress)
    if not arguments.json:
        print(f"wrote {path}\n")
    return table
