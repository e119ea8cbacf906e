"""``nas run CONFIG``: the whole chain."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, TypeAlias

from nas import pipeline
from nas.cli.output import print_front, print_ranges
from nas.cli.progress import ProgressBar
from nas.cli.runs import add_config, checked_run, read_config
from nas.latency_tables import AnyTable
from nas.predicted import predicted_costs
from nas.problems import build_problem, searched_space, space_of
from nas.report import report_plain
from nas.runs import RunFolder
from nas.search import Problem

if TYPE_CHECKING:
    from nas.data import DataSplits

Tables: TypeAlias = dict[str, AnyTable]

__all__ = ["configure", "run", "run_chain", "train_and_search"]


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


def train_and_search(folder: RunFolder, splits: DataSplits) -> tuple[Problem, Tables]:
    """Run the stages up to the search that are not done yet, and print what is reachable.

    The caller holds the lock of the folder.
    """
    from nas.data import check_calibration

    check_calibration(splits.train, folder.config.evaluate.calibration_images)
    trained, searched = space_of(folder.config), searched_space(folder.config)
    tables = pipeline.latency_stage(folder, trained, ProgressBar)
    problem = pipeline.problem_of(folder, searched, tables)
    print_ranges(problem)
    pipeline.check_limits(folder.config, problem)
    if not folder.imported():
        costs = problem.costs if searched.fingerprint == trained.fingerprint else None
        pipeline.train_stage(folder, trained, splits, ProgressBar, costs=costs)
    pipeline.search_stage(folder, problem, splits, ProgressBar)
    if len(problem.objectives) > 1:
        print_front(problem, pipeline.front_stage(folder, problem))
    return problem, tables


def run_chain(folder: RunFolder, splits: DataSplits) -> None:
    """Run every stage that is not done yet, and print the table of the best subnets."""
    config = folder.config
    with folder.lock():
        problem, tables = train_and_search(folder, splits)
        chosen = pipeline.choose(folder, problem, top=config.export.top)
        formats = config.export.formats
        pipeline.export_stage(
            folder, problem, splits, chosen, formats, tables=tables, bars=ProgressBar
        )
        report = pipeline.report_stage(folder)
    print(report_plain(folder))
    print(f"\nsubnets: {folder.exports}\nreport:  {report}")


def _dry_run(arguments: argparse.Namespace) -> None:
    folder = RunFolder.open(arguments.resume) if arguments.resume else None
    config = folder.config if folder else read_config(arguments)
    space = searched_space(config)
    predicted = predicted_costs(config, space, folder.path if folder else None)
    problem = build_problem(config, space, None, predicted)
    pipeline.check_limits(config, problem)
    pipeline.check_training(config, space_of(config))
    kept = "" if space.whole is space else f" ({float(space.fraction):.3g} of the whole space)"
    print(f"{space.name}: {space.size:,} architectures{kept}, {len(space.slots)} slots")
    print(f"latency table: {len(space.distinct_blocks()):,} different blocks")
    print(f"training: {config.train.strategy}, {config.train.epochs} epochs")
    print(f"search: {config.search.searcher}, {config.search.evaluations} evaluations\n")
    print_ranges(problem)
