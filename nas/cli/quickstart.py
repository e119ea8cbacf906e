"""``nas quickstart``: the whole chain on scikit-learn's digits."""

from __future__ import annotations

import argparse
import time
from importlib.resources import files
from pathlib import Path

from nas.cli.run import run_chain
from nas.config import load_config
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
    if (arguments.out / "run.json").exists():
        folder = RunFolder.open(arguments.out)
    else:
        folder = RunFolder.create(arguments.out, load_config(source))
    print("Digits: train a supernet, measure this machine, search under two limits, export.\n")
    run_chain(folder)
    minutes, seconds = divmod(round(time.monotonic() - start), 60)
    print(f"\ndone in {minutes} min {seconds} s. The configuration to copy: {source}")
