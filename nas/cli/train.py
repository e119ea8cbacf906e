"""``nas train CONFIG``, also in several processes: ``torchrun ... -m nas train CONFIG``."""

from __future__ import annotations

import argparse
from contextlib import nullcontext

from nas import pipeline
from nas.cli.progress import ProgressBar
from nas.cli.runs import add_config, checked_run, shared_run
from nas.launch import processes
from nas.problems import space_of
from nas.runs import RunFolder

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    add_config(parser)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    if processes() > 1:
        _run_together(arguments)
        return
    folder, splits = checked_run(arguments)
    with folder.lock():
        pipeline.train_stage(folder, space_of(folder.config), splits, ProgressBar)
    print(_done(folder))


def _run_together(arguments: argparse.Namespace) -> None:
    """Train in the processes that torchrun started; the first one owns the run folder."""
    from nas.world import joined_world

    with joined_world() as world:
        folder, splits = shared_run(arguments, world)
        space = space_of(folder.config)
        with folder.lock() if world.is_first else nullcontext():
            pipeline.train_stage(folder, space, splits, ProgressBar, world=world)
    if world.is_first:
        print(_done(folder))


def _done(folder: RunFolder) -> str:
    return f"trained: {folder.path}\nnext: nas search --resume {folder.path}"
