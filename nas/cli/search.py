"""``nas search CONFIG``."""

from __future__ import annotations

import argparse

from nas import pipeline
from nas.cli.output import print_ranges
from nas.cli.progress import ProgressBar
from nas.cli.runs import add_config, opened_run
from nas.problems import build_problem, space_of
from nas.report import report_plain

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    add_config(parser)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    folder = opened_run(arguments, reuse=True)
    space = space_of(folder.config)
    with folder.lock():
        pipeline.check_limits(folder.config, space, None)
        table = pipeline.latency_stage(folder, space, ProgressBar)
        problem = build_problem(folder.config, space, table)
        print_ranges(problem)
        pipeline.check_limits(folder.config, space, table)
        splits = pipeline.load_splits(folder.config, space, ProgressBar)
        pipeline.search_stage(folder, problem, splits, ProgressBar)
    print(report_plain(folder))
    print(f"\nnext: nas export {folder.path}")
