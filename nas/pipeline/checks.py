"""What a run is refused for before anything long begins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from nas.config import Config
from nas.latency_tables import AnyTable
from nas.launch import processes
from nas.predicted import keep_predictors, predicted_costs
from nas.problems import build_problem
from nas.runs import RunFolder
from nas.search import Problem, check_feasible
from nas.search.executors import executor_factory
from nas.searchers import build_searcher
from search_spaces import SearchSpace

if TYPE_CHECKING:
    pass

__all__ = ["check_limits", "check_training", "problem_of"]


def problem_of(
    run: RunFolder, space: SearchSpace, tables: Mapping[str, AnyTable] | None = None
) -> Problem:
    """Return the search problem of a run, and keep copies of its predictors in its folder.

    Raises:
        PredictorError: A predictor cannot be used; see `predicted_costs`.
        ConfigError: See `build_problem`.
    """
    predicted = predicted_costs(run.config, space, run.path)
    keep_predictors(run.config, run.path)
    return build_problem(run.config, space, tables, predicted)


def check_limits(config: Config, problem: Problem) -> None:
    """Refuse limits that no architecture can meet, and a search that cannot begin.

    Raises:
        InfeasibleError: It is proven that none can.
        ConfigError: The searcher or the executor cannot be used as it is configured.
        MissingExtraError: The package of the searcher is not installed.
    """
    check_feasible(problem)
    build_searcher(config.search, objectives=len(problem.objectives))
    executor_factory(config.search.executor)


def check_training(config: Config, space: SearchSpace, *, images: int | None = None) -> None:
    """Refuse a training that does not go with the space or the data.

    Args:
        config: The configuration.
        space: Its space.
        images: In the training split; none while it is not loaded.

    Raises:
        ConfigError: A stage opens a choice or an option that the space lacks, say, or a slot is
            to be frozen or compared that is none.
        CheckpointError: There is no stored teacher, or one that is not finished.
        TrainingError: The batch is larger than the training split, or smaller than the
            processes need.
    """
    from nas.training import build_strategy, check_batch
    from nas.training.slots import check_slots
    from nas.training.stored_teacher import StoredTeacher

    if images is not None:
        check_batch(config.train, images, processes=processes())
    build_strategy(space, config.train, 1)
    check_slots(space, config.train)
    if config.train.stored_teacher is not None:
        StoredTeacher.open(config.train.stored_teacher.path, {})
