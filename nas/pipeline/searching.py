"""Searching a trained supernet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nas.archive import Archive
from nas.chosen import read_chosen
from nas.errors import InfeasibleError
from nas.pipeline.evaluation import check_trained, open_archive, subnet_evaluator
from nas.pipeline.run_evaluator import RunEvaluator
from nas.pipeline.stage import Bars, stage
from nas.problems import network_space
from nas.runs import RunFolder
from nas.search import Listed, Problem, Searcher, WorkerPool, search
from nas.search.executors import executor_factory
from nas.search.optuna_bridge import StudyMirror
from nas.searchers import build_searcher
from search_spaces import SearchSpace
from search_spaces.progress import Progress

if TYPE_CHECKING:
    from nas.data import DataSplits
    from nas.evaluation import SubnetEvaluator

__all__ = ["search_stage"]


@contextmanager
def _evaluation(
    run: RunFolder, space: SearchSpace, splits: DataSplits
) -> Iterator[SubnetEvaluator | WorkerPool]:
    """Yield what scores subnets: here, or on as many workers as are configured."""
    config = run.config.search
    if config.workers == 1:
        yield subnet_evaluator(run, space, splits)
        return
    check_trained(run)
    factory = executor_factory(config.executor)
    evaluate = RunEvaluator(str(run.path.resolve()), config.workers)
    with WorkerPool(evaluate, lambda: factory(config.workers), workers=config.workers) as pool:
        yield pool


@contextmanager
def _mirrored(
    run: RunFolder, problem: Problem, archive: Archive, progress: Progress
) -> Iterator[Progress]:
    """Yield the progress report that also keeps the configured study up to date."""
    if run.config.search.optuna.study is None:
        yield progress
        return
    mirror = StudyMirror(problem, run.config.search.optuna.study, run.path.resolve().name)
    with mirror.following(archive, progress) as report:
        yield report


def _searcher(run: RunFolder, problem: Problem) -> tuple[Searcher, int]:
    """Return what proposes subnets, and how many are to be evaluated."""
    config, space = run.config.search, problem.space
    # Chosen were single networks; of them those in the part of the space that is searched count.
    single = () if config.ensemble else read_chosen(run.path, network_space(run.config))
    chosen = [architecture for architecture in single if space.holds(architecture)]
    if not chosen:
        return build_searcher(config, objectives=len(problem.objectives)), config.evaluations
    rows = space.unique(space.encode_all(chosen))
    count = int(problem.feasible(rows).sum())
    if not count:
        limits = ", ".join(map(str, problem.limits))
        raise InfeasibleError(
            f"None of the {len(rows)} architectures that {run.config.train.strategy} chose in "
            f"{run.path} meets the limits {limits}. Raise a limit, or train by another strategy."
        )
    return Listed(rows), count


def search_stage(run: RunFolder, problem: Problem, splits: DataSplits, bars: Bars) -> None:
    """Search the trained supernet, or go on where the search stopped.

    Where training has chosen the architectures itself, these are evaluated and no others.

    Raises:
        InfeasibleError: None of them meets the limits.
    """
    config = run.config
    searcher, evaluations = _searcher(run, problem)
    with (
        stage(run, "search"),
        _evaluation(run, network_space(config), splits) as evaluate,
        open_archive(run, problem.space) as archive,
        bars("search") as progress,
        _mirrored(run, problem, archive, progress) as report,
    ):
        search(
            problem,
            searcher,
            evaluate,
            archive,
            evaluations=evaluations,
            batch=config.search.population,
            seed=config.seed,
            progress=report,
        )
