"""Training a supernet, one of its subnets, and storing a teacher."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas.archive import Archive, Evaluated
from nas.config import Config
from nas.errors import ConfigError, RunError
from nas.latency_tables import AnyTable
from nas.pipeline.checks import problem_of
from nas.pipeline.choosing import choose
from nas.pipeline.evaluation import check_trained, subnet_evaluator
from nas.pipeline.exporting import export_stage
from nas.pipeline.latency import latency_stage
from nas.pipeline.stage import Bars, stage
from nas.problems import build_problem, network_space
from nas.runs import RunFolder
from predictors import CostTable
from search_spaces import SearchSpace

if TYPE_CHECKING:
    from nas.data import DataSplits
    from nas.training.stored_teacher import StoredTeacher
    from nas.world import World

__all__ = ["finetune_stage", "teacher_stage", "train_stage"]


def train_stage(
    run: RunFolder,
    space: SearchSpace,
    splits: DataSplits,
    bars: Bars,
    *,
    costs: Mapping[str, CostTable] | None = None,
    world: World | None = None,
) -> None:
    """Train the supernet, or go on where training stopped.

    Args:
        run: The run folder; only the first process writes to it.
        space: Of the supernet.
        splits: Only the training split is used.
        bars: For progress of the first process.
        costs: Of the run's problem, for a strategy that has one in its loss; None finds what
            it needs, and measures the latency table where that is it.
        world: The processes that train together; None means that this one is alone.

    Raises:
        RunError: Its weights were imported.
        NasError: As `nas.training.train`.
    """
    from nas.training import train
    from nas.world import ALONE
    from search_spaces.supernet import Supernet

    world = world or ALONE
    if source := run.imported():
        raise RunError(
            f"The supernet of {run.path} was trained elsewhere ({source}), so there is no "
            f"training to go on with. Search it: nas search --resume {run.path}"
        )
    config = run.config
    if costs is None and config.train.priced_by not in (None, "macs", "params"):
        if world.size > 1:
            raise ConfigError(
                f"The cost {config.train.priced_by!r} of {config.train.strategy} is known in one "
                "process only. Train without torchrun, or by macs or params."
            )
        costs = problem_of(run, space, latency_stage(run, space, bars)).costs
    supernet = Supernet(space, seed=config.seed)
    with (
        stage(run, "train") if world.is_first else nullcontext(),
        bars("training") if world.is_first else nullcontext() as progress,
    ):
        train(
            supernet,
            splits,
            config.train,
            seed=config.seed,
            augment=config.augment,
            run=run,
            evaluate=config.evaluate,
            costs=costs,
            progress=progress,
            world=world,
        )


def finetune_stage(
    run: RunFolder,
    space: SearchSpace,
    splits: DataSplits,
    row: Evaluated,
    options: dict[str, Any],
    *,
    tables: Mapping[str, AnyTable],
    bars: Bars,
) -> Evaluated:
    """Fine-tune one subnet of a run, score it and export it as the configuration says.

    Args:
        run: With a trained supernet; only its folder ``finetuned`` is written to.
        space: Of the supernet.
        splits: The images.
        row: The archive's row of the subnet.
        options: See `nas.finetuning.finetuned_run`.
        tables: The run's latency tables by the cost that each gives.
        bars: Shows progress.

    Returns:
        The fine-tuned subnet as the archive in its own folder has it.
    """
    from nas.finetuning import finetune_subnet, finetuned_run

    tuned = finetuned_run(run, space, row, options)
    with tuned.lock():
        with stage(tuned, "train"), bars("fine-tuning") as progress:
            only = finetune_subnet(run, tuned, space, row.architecture, splits, progress=progress)
        unlimited = run.config.search.model_copy(update={"limits": {}, "minimize": ()})
        config = run.config.model_copy(update={"search": unlimited})
        problem = build_problem(config, only, tables)
        evaluator = subnet_evaluator(tuned, only, splits)
        scored = evaluator(row.architecture)
        found = Evaluated(row.id, row.architecture, scored, order=1)
        formats = run.config.export.formats
        export_stage(
            tuned, problem, splits, [found], formats, tables=tables, bars=bars, space=only
        )
    with Archive.read(tuned.archive_path) as archive:
        return archive.rows()[0]


def teacher_stage(
    run: RunFolder,
    config: Config,
    splits: DataSplits,
    folder: Path,
    *,
    id: str | None,
    top: int,
    epochs: int | None,
    bars: Bars,
) -> StoredTeacher:
    """Store what a subnet of a trained run answers to the images of a training.

    Args:
        run: A trained run.
        config: Of the training that is to be taught.
        splits: Its images.
        folder: Where to.
        id: An evaluated subnet of the run; none takes the largest.
        top: Classes kept for each image.
        epochs: How many; none takes those of the training.
        bars: Shows progress.

    Raises:
        NasError: As `nas.training.storing.store_answers`, or the run is not trained or has no
            such subnet.
    """
    from nas.devices import prepare_device
    from nas.evaluation import SubnetEvaluator
    from nas.training import load_supernet
    from nas.training.storing import store_answers
    from predictors import largest

    if top < 1 or (epochs is not None and epochs < 1):
        raise ConfigError(f"--top = {top} and --epochs = {epochs} must be at least 1.")
    check_trained(run)
    space = network_space(run.config)
    architecture = largest(space)
    if id is not None:
        problem = problem_of(run, space, None)
        architecture = choose(run, problem, top=1, id=id)[0].architecture
    prepare_device(config.train.device, threads=config.train.threads)
    evaluator = SubnetEvaluator(
        load_supernet(run, space), splits, run.config.evaluate, device=config.train.device
    )
    with bars("storing the teacher") as progress:
        return store_answers(
            evaluator.subnet(architecture),
            space.resolution_of(architecture),
            splits,
            config,
            folder,
            teacher=f"{space.name} {space.id_of(architecture)} of {run.path.resolve().name}",
            top=top,
            epochs=epochs,
            progress=progress,
        )
