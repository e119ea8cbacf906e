"""``nas train CONFIG``."""

from __future__ import annotations

import argparse

from nas import pipeline
from nas.cli.progress import ProgressBar
from nas.cli.runs import add_config, checked_run
from nas.problems import space_of

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    add_config(parser)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    folder, splits = checked_run(arguments)
    with folder.lock():
        pipeline.train_stage(folder, space_of(folder.config), splits, ProgressBar)
    print(f"trained: {folder.path}\nnext: nas search --resume {folder.path}")
