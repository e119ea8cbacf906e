"""``nas quickstart``: the whole chain on scikit-learn's digits."""

from __future__ import annotations

import argparse
import time
from importlib.resources import files
from pathlib import Path

from nas import pipeline
from nas.cli.progress import ProgressBar
from nas.cli.run import run_chain
from nas.config import load_config
from nas.problems import space_of
from nas.runs import RunFolder

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    parser.add_argument(
        "--out",
        metavar="RUN",
        type=Path,
        default=Path("runs/quickstart"),
        help="run folder (default: runs/quickstart); an unfinished one is gone on with",
    )


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    start = time.monotonic()
    source = Path(str(files("nas") / "quickstart.toml"))
    config = load_config(source)
    splits = pipeline.load_splits(config, space_of(config), ProgressBar)
    begun = (arguments.out / "run.json").exists()
    folder = RunFolder.open(arguments.out) if begun else RunFolder.create(arguments.out, config)
    print("Digits: measure this machine, train a supernet, search under two limits, export.\n")
    run_chain(folder, splits)
    minutes, seconds = divmod(round(time.monotonic() - start), 60)
    print(f"\ndone in {minutes} min {seconds} s. The configuration to copy: {source}")
