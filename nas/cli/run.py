"""``nas run CONFIG``: the whole chain."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from nas import pipeline
from nas.cli.output import print_ranges
from nas.cli.progress import ProgressBar
from nas.cli.runs import add_config, checked_run, read_config
from nas.predicted import predicted_costs
from nas.problems import build_problem, space_of
from nas.report import report_plain
from nas.runs import RunFolder

if TYPE_CHECKING:
    from nas.data import DataSplits

__all__ = ["configure", "run", "run_chain"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    add_config(parser)
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="check the configuration and the analytic limits, print what would be done, stop",
    )


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    if arguments.dry_run:
        _dry_run(arguments)
        return
    folder, splits = checked_run(arguments)
    run_chain(folder, splits)


def run_chain(folder: RunFolder, splits: DataSplits) -> None:
    """Run every stage that is not done yet, and print the table of the best subnets."""
    config = folder.config
    space = space_of(config)
    with folder.lock():
        table = pipeline.latency_stage(folder, space, ProgressBar)
        problem = pipeline.problem_of(folder, space, table)
        print_ranges(problem)
        pipeline.check_limits(config, problem)
        if not folder.imported():
            pipeline.train_stage(folder, space, splits, ProgressBar, costs=problem.costs)
        pipeline.search_stage(folder, problem, splits, ProgressBar)
        chosen = pipeline.choose(folder, problem, top=config.export.top)
        formats = config.export.formats
        pipeline.export_stage(
            folder, problem, splits, chosen, formats, table=table, bars=ProgressBar
        )
        report = pipeline.report_stage(folder)
    print(report_plain(folder))
    print(f"\nsubnets: {folder.exports}\nreport:  {report}")


def _dry_run(arguments: argparse.Namespace) -> None:
    folder = RunFolder.open(arguments.resume) if arguments.resume else None
    config = folder.config if folder else read_config(arguments)
    space = space_of(config)
    predicted = predicted_costs(config, space, folder.path if folder else None)
    problem = build_problem(config, space, None, predicted)
    pipeline.check_limits(config, problem)
    pipeline.check_training(config, space)
    print(f"{space.name}: {space.size:,} architectures, {len(space.slots)} slots")
    print(f"latency table: {len(space.distinct_blocks()):,} different blocks")
    print(f"training: {config.train.strategy}, {config.train.epochs} epochs")
    print(f"search: {config.search.searcher}, {config.search.evaluations} evaluations\n")
    print_ranges(problem)
