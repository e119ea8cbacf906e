"""``nas search CONFIG``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from nas import pipeline
from nas.cli.output import print_front, print_ranges
from nas.cli.progress import ProgressBar
from nas.cli.runs import add_config, opened_run
from nas.config import parse_sweep
from nas.problems import searched_space, space_of, sweep_values
from nas.report import report_plain
from nas.search import Problem, Target, check_feasible, swept
from nas.text import columns, quantity, title

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    add_config(parser)
    parser.add_argument(
        "--sweep",
        metavar="METRIC=FIRST..LAST:STEP",
        help="one subnet for each of several limits, for example latency_ms=10..40:5",
    )


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    sweep = parse_sweep(arguments.sweep) if arguments.sweep else None
    folder = opened_run(arguments, reuse=True)
    space = searched_space(folder.config)
    with folder.lock():
        pipeline.check_limits(folder.config, pipeline.problem_of(folder, space))
        tables = pipeline.latency_stage(folder, space_of(folder.config), ProgressBar)
        problem = pipeline.problem_of(folder, space, tables)
        values = sweep_values(problem, sweep) if sweep else ()
        searched = swept(problem, sweep.metric, values) if sweep else problem
        print_ranges(searched)
        check_feasible(searched)
        splits = pipeline.load_splits(folder.config, space, ProgressBar)
        pipeline.search_stage(folder, searched, splits, ProgressBar)
        if sweep:
            found = pipeline.sweep_stage(folder, problem, sweep.metric, values)
            _print_targets(problem, found)
        elif len(problem.objectives) > 1:
            print_front(problem, pipeline.front_stage(folder, problem))
    print(report_plain(folder))
    print(f"\nnext: nas export {folder.path}")


def _print_targets(problem: Problem, found: Sequence[Target]) -> None:
    """Print the best subnet within each limit of a sweep."""
    objective, metric = problem.objectives[0].metric, found[0].limit.metric
    rows = []
    for target in found:
        limit = quantity(metric, target.limit.value)
        if target.row is None or target.cost is None:
            below = target.limit.largest < target.smallest
            why = f"the smallest reachable is {quantity(metric, target.smallest)}"
            rows.append((limit, "", "", f"none: {why}" if below else "none was evaluated"))
            continue
        value = quantity(objective, target.row.metrics[objective].value)
        rows.append((limit, quantity(metric, target.cost), value, target.row.id))
    print(columns(("limit", title(metric), title(objective), "subnet"), rows))
    print()
