"""``nas work RUN --study URL``: one of many workers of one search, on this or any machine."""

from __future__ import annotations

import argparse
from contextlib import nullcontext

from nas import pipeline
from nas.cli.progress import ProgressBar
from nas.cli.runs import add_run
from nas.errors import RunError
from nas.problems import network_space, searched_space, space_of
from nas.report import report_plain
from nas.runs import RunFolder
from nas.search.optuna_bridge import SharedStudy, WorkPlan, work
from nas.searchers import build_searcher

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    add_run(parser)
    add = parser.add_argument
    add(
        "--study",
        metavar="URL",
        required=True,
        help="what all workers reach: postgresql+psycopg://USER@HOST/DATABASE, or the path of a "
        "journal file on a shared disk",
    )
    add("--name", metavar="NAME", help="of the study (the name of the run folder)")
    add("--worker", metavar="NAME", help="of this worker (host and number)")
    add("--lease", metavar="S", type=float, default=120.0, help="a worker is dead after (120)")


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    folder = RunFolder.open(arguments.run)
    config, networks = folder.config, network_space(folder.config)
    pipeline.check_trained(folder)
    # Workers that share a folder read its tables side by side; only one may build them.
    with nullcontext() if pipeline.has_tables(folder) else folder.lock():
        tables = pipeline.latency_stage(folder, space_of(config), ProgressBar)
    problem = pipeline.problem_of(folder, searched_space(config), tables)
    pipeline.check_limits(config, problem)
    name = arguments.name or folder.path.resolve().name
    study = SharedStudy(problem, arguments.study, name, lease_s=arguments.lease)
    splits = pipeline.load_splits(config, networks, ProgressBar)
    evaluate = pipeline.subnet_evaluator(folder, networks, splits)
    searcher = build_searcher(config.search, objectives=len(problem.objectives))
    with (
        folder.worker(arguments.worker or "") as worker,
        pipeline.open_archive(folder, networks, folder.worker_archive(worker)) as archive,
        ProgressBar("search") as progress,
    ):
        plan = WorkPlan(config.search.evaluations, config.search.population, config.seed, worker)
        done = work(study, searcher, evaluate, plan, archive=archive, progress=progress)
    print(f"{worker} made {done} evaluations of {name}.")
    _collect(folder, study)


def _collect(folder: RunFolder, study: SharedStudy) -> None:
    """Record what all workers found in the run's archive, unless another one is doing so."""
    space = study.problem.space
    try:
        with folder.lock(), pipeline.open_archive(folder, space) as archive:
            count = study.collect(archive)
    except RunError as error:
        print(f"The results are in the study, not yet in the run: {error}")
        return
    folder.mark("search", "done")
    print(f"{count} evaluations recorded in {folder.archive_path}.\n")
    print(report_plain(folder))
