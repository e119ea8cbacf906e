"""The stages of a run, each a function of the run folder: what is done is not done again.

Order of a whole run: latency table, check of the limits, training, search, export, report. The
limits are checked before the long work, so that the impossible is said at once.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from nas.archive import Archive, Evaluated, Metric
from nas.chosen import read_chosen
from nas.config import Config, LatencyConfig
from nas.errors import (
    ConfigError,
    InfeasibleError,
    InterruptedRunError,
    NasError,
    RunError,
    nearest,
)
from nas.files import atomic_path, atomic_write
from nas.latency_tables import AnyTable, is_published, read_table
from nas.launch import processes
from nas.metric_names import measured, split_place
from nas.predicted import keep_predictors, predicted_costs
from nas.problems import build_problem, network_space
from nas.run_evaluator import RunEvaluator
from nas.runs import RunFolder
from nas.search import (
    Listed,
    Problem,
    Searcher,
    Target,
    WorkerPool,
    best,
    check_feasible,
    front,
    search,
    targets,
    value_of,
)
from nas.search.executors import executor_factory
from nas.search.optuna_bridge import StudyMirror
from nas.searchers import build_searcher
from predictors import CostTable, Macs, compile_cost
from predictors.latency import LatencyTable, LutOptions, build_table
from search_spaces import SearchSpace
from search_spaces.progress import Progress

if TYPE_CHECKING:
    from nas.data import DataSplits
    from nas.evaluation import SubnetEvaluator
    from nas.training.stored_teacher import StoredTeacher
    from nas.world import World

__all__ = [
    "Bars",
    "check_limits",
    "check_training",
    "choose",
    "export_stage",
    "finetune_stage",
    "front_stage",
    "has_tables",
    "latency_stage",
    "load_splits",
    "lut_options",
    "problem_of",
    "report_stage",
    "search_stage",
    "sweep_stage",
    "teacher_stage",
    "train_stage",
]

Bars: TypeAlias = Callable[[str], AbstractContextManager[Progress]]
"""Opens a progress report under a title."""


@contextmanager
def _stage(run: RunFolder, name: str) -> Iterator[None]:
    """Note in the run folder how a stage stands."""
    run.mark(name, "running")
    try:
        yield
    except (KeyboardInterrupt, InterruptedRunError):
        run.mark(name, "interrupted")
        raise
    except NasError:
        run.mark(name, "failed")
        raise
    run.mark(name, "done")


def load_splits(config: Config, space: SearchSpace, bars: Bars) -> DataSplits:
    """Load the images of a configuration.

    Raises:
        DataError: The data are missing or damaged.
        ConfigError: The space was built for other classes or channels than the data have.
    """
    from nas.data import load_data

    with bars("images") as progress:
        splits = load_data(config.data, seed=config.seed, progress=progress)
    largest = compile_cost(space, Macs()).maximum().architecture
    blocks = [block for block in space.blocks(largest).values() if block is not None]
    classes, channels = blocks[-1].out_shape[0], blocks[0].in_shape[0]
    found = {"classes": len(splits.train.class_names), "channels": splits.train.shape[0]}
    for option, expected in (("classes", classes), ("channels", channels)):
        if found[option] != expected:
            raise ConfigError(
                f"The images have {found[option]} {option}, the space {space.name!r} was built "
                f"for {expected}. Set space.options.{option} = {found[option]}."
            )
    return splits


def lut_options(config: LatencyConfig) -> LutOptions:
    """Return how a configuration measures latency."""
    return LutOptions(
        runtime=config.runtime,
        threads=config.threads,
        batch_size=config.batch_size,
        rounds=config.rounds,
        max_seconds=config.max_seconds,
        calibration_nets=config.calibration_nets,
    )


def _usable(path: Path, config: LatencyConfig, space: SearchSpace) -> AnyTable:
    """Load a table, maybe of another device, and check that it has every block of a space.

    Raises:
        TableError: It is damaged or lacks blocks.
    """
    table = read_table(path, device=config.table_device)
    table.check(space)
    return table


def _check_asked(table: AnyTable, path: Path, config: LatencyConfig) -> None:
    """Check that a table was measured as its section of a configuration asks.

    Raises:
        TableError: It was not.
        ConfigError: It is asked for what a table of its kind does not say, or says itself.
    """
    asked = {
        name: getattr(config, name)
        for name in ("runtime", "threads", "batch_size")
        if name in config.model_fields_set
    }
    if isinstance(table, LatencyTable):
        if config.table_device:
            raise ConfigError(
                f"latency.table_device = {config.table_device!r} is for YAML tables; {path} says "
                f"itself that it was measured on {table.device}. Leave it out."
            )
        table.check_conditions(**asked)
        return
    unusual = [name for name in asked if asked[name] != getattr(LatencyConfig(), name)]
    if unusual:
        raise ConfigError(
            f"{path} does not say how it was measured, so {', '.join(unusual)} of the section "
            "latency cannot be checked. Leave them out; name the device by latency.table_device."
        )


def latency_stage(run: RunFolder, space: SearchSpace, bars: Bars) -> dict[str, AnyTable]:
    """Return the run's latency tables: the configured ones, or those built on this machine.

    Returns:
        By the cost that each gives; none when the configuration has no ``[latency]`` section.

    Raises:
        TableError: A configured table does not cover the space, is damaged, or was measured
            otherwise than asked.
        ConfigError: It is asked for what a table of its kind does not say, or says itself.
    """
    sections = run.config.latencies
    given = {
        metric: _given_table(run, space, metric, section)
        for metric, section in sections.items()
        if section.table is not None
    }
    built: dict[str, AnyTable] = {}
    for metric in (metric for metric in sections if metric not in given):
        path, options = run.latency_table(metric), lut_options(sections[metric])
        title = " ".join(["latency table", *filter(None, split_place(metric)[:1])])
        with _stage(run, "latency"), bars(title) as progress:
            built[metric] = build_table(space, options, path, progress=progress)
    return {metric: (given | built)[metric] for metric in sections}


def has_tables(run: RunFolder) -> bool:
    """Return whether every latency table that a run needs is in its folder."""
    return all(
        any(run.latency_table(metric, published=kind).exists() for kind in (False, True))
        for metric in run.config.latencies
    )


def _given_table(
    run: RunFolder, space: SearchSpace, metric: str, section: LatencyConfig
) -> AnyTable:
    """Return the run's copy of a configured table, which is made and checked the first time."""
    assert section.table is not None
    given = Path(section.table)
    path = run.latency_table(metric, published=is_published(given))
    if not path.exists():
        _check_asked(_usable(given, section, space), given, section)
        with atomic_path(path) as temporary:
            shutil.copyfile(given, temporary)
    return _usable(path, section, space)


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
            to be frozen that is none.
        CheckpointError: There is no stored teacher, or one that is not finished.
        TrainingError: The batch is larger than the training split, or smaller than the
            processes need.
    """
    from nas.training import build_strategy, check_batch
    from nas.training.state import frozen_slots
    from nas.training.stored_teacher import StoredTeacher

    if images is not None:
        check_batch(config.train, images, processes=processes())
    build_strategy(space, config.train, 1)
    frozen_slots(space, config.train.freeze)
    if config.train.stored_teacher is not None:
        StoredTeacher.open(config.train.stored_teacher.path, {})


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
                f"{config.train.priced_by!r} in the loss of {config.train.strategy} is known in "
                "one process only. Train without torchrun, or by macs or params."
            )
        costs = problem_of(run, space, latency_stage(run, space, bars)).costs
    supernet = Supernet(space, seed=config.seed)
    with (
        _stage(run, "train") if world.is_first else nullcontext(),
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


def check_trained(run: RunFolder) -> None:
    """Raise a RunError where training has not ended."""
    if run.stages().get("train") != "done":
        raise RunError(
            f"The supernet of {run.path} is not trained. "
            f"Run `nas train --resume {run.path}` first."
        )


def subnet_evaluator(run: RunFolder, space: SearchSpace, splits: DataSplits) -> SubnetEvaluator:
    """Return what scores subnets of the trained supernet of a run.

    Raises:
        RunError: Training has not ended.
    """
    from nas.devices import prepare_device
    from nas.evaluation import SubnetEvaluator
    from nas.training import load_supernet

    check_trained(run)
    config = run.config
    prepare_device(config.train.device, threads=config.train.threads)
    supernet = load_supernet(run, space)
    return SubnetEvaluator(supernet, splits, config.evaluate, device=config.train.device)


def open_archive(run: RunFolder, space: SearchSpace, path: Path | None = None) -> Archive:
    """Open the archive of a run for writing, or another one at ``path`` for the same space.

    Parts of a space share one.
    """
    space = space.whole
    return Archive.open(
        path or run.archive_path,
        space_name=space.name,
        space_options=space.options,
        fingerprint=space.fingerprint,
    )


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
        _stage(run, "search"),
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


def sweep_stage(
    run: RunFolder, problem: Problem, metric: str, values: Sequence[float]
) -> list[Target]:
    """Choose the best evaluated subnet within each of several limits, and keep the table.

    Args:
        run: The run folder; the table goes to its ``sweep.json``.
        problem: The search problem without the sweep.
        metric: The swept cost.
        values: The limits, in its unit.
    """
    with Archive.read(run.archive_path) as archive:
        found = targets(problem, archive.rows(), metric, values)
    objective = problem.objectives[0].metric
    table = [
        {
            "limit": target.limit.value,
            metric: target.cost,
            objective: None if target.row is None else target.row.metrics[objective].value,
            "id": None if target.row is None else target.row.id,
            "architecture": None if target.row is None else dict(target.row.architecture),
        }
        for target in found
    ]
    text = json.dumps({"metric": metric, "objective": objective, "targets": table}, indent=2)
    atomic_write(run.path / "sweep.json", text + "\n")
    return found


def front_stage(run: RunFolder, problem: Problem) -> list[Evaluated]:
    """Return the evaluated subnets that none beats in all objectives at once, and keep the table.

    The table goes to the run's ``front.json``.
    """
    with Archive.read(run.archive_path) as archive:
        found = front(problem, archive.rows())
    objectives = [objective.metric for objective in problem.objectives]
    table = [
        {
            "id": row.id,
            **{name: value_of(problem, row, name) for name in objectives},
            "architecture": dict(row.architecture),
        }
        for row in found
    ]
    text = json.dumps({"objectives": objectives, "subnets": table}, indent=2)
    atomic_write(run.path / "front.json", text + "\n")
    return found


def choose(
    run: RunFolder,
    problem: Problem,
    *,
    top: int,
    id: str | None = None,
    whole_front: bool = False,
) -> list[Evaluated]:
    """Return the subnets to export: the best within the limits, or the one that is named.

    Args:
        run: The run folder.
        problem: The search problem.
        top: How many of the best.
        id: Id of an evaluated subnet, or the beginning of one.
        whole_front: All that none beats in all objectives at once, in place of the best.

    Raises:
        RunError: Nothing was evaluated yet, or no evaluated subnet has that id.
        InfeasibleError: No evaluated subnet meets the limits.
    """
    with Archive.read(run.archive_path) as archive:
        rows = archive.rows()
    if id is not None:
        named = [row for row in rows if row.id.startswith(id)]
        if len(named) != 1:
            what = "Several subnets begin" if named else "No evaluated subnet begins"
            raise RunError(
                f"{what} with the id {id!r} in {run.path}. "
                f"{nearest(id, [row.id for row in best(problem, rows, top=10)])}"
            )
        return named
    chosen = front(problem, rows) if whole_front else best(problem, rows, top=top)
    if not chosen:
        raise InfeasibleError(
            f"None of the {len(rows)} evaluated subnets of {run.path} meets the limits "
            f"{', '.join(map(str, problem.limits))}. Search again with these limits: "
            f"nas search --resume {run.path}"
        )
    return chosen


def export_stage(
    run: RunFolder,
    problem: Problem,
    splits: DataSplits,
    chosen: Sequence[Evaluated],
    formats: Sequence[str],
    *,
    tables: Mapping[str, AnyTable],
    bars: Bars,
    space: SearchSpace | None = None,
) -> None:
    """Score the chosen subnets on the test split, time them, export them and check the files.

    They are timed in the runtime of each table that was measured on this machine.

    Args:
        run: With the trained supernet.
        problem: What was searched; its costs are recorded.
        splits: The images.
        chosen: Rows of the archive.
        formats: File formats.
        tables: The latency tables by metric.
        bars: Shows progress.
        space: Of the run's weights; by default what the configuration says.
    """
    from nas.finals import cost_metrics, export_final, measured_latencies

    space = space or network_space(run.config)
    evaluator = subnet_evaluator(run, space, splits)
    subnets = {row.id: evaluator.subnet(row.architecture) for row in chosen}
    shaped = {row.id: (subnets[row.id], space.input_shape_of(row.architecture)) for row in chosen}
    latencies: dict[str, dict[str, Metric]] = {}
    for metric, section in run.config.latencies.items():
        table = tables.get(metric)
        if isinstance(table, LatencyTable):
            with bars("measuring subnets") as progress:
                latencies[measured(metric)] = measured_latencies(
                    shaped, lut_options(section), table, progress=progress
                )
    with _stage(run, "export"), open_archive(run, space) as archive, bars("export") as progress:
        for done, row in enumerate(chosen):
            progress(done, len(chosen), row.id)
            subnet = subnets[row.id]
            metrics = {**row.metrics, **cost_metrics(problem, row.architecture)}
            metrics["test_accuracy"] = evaluator.score(subnet, row.architecture, split="test")
            metrics |= {name: of[row.id] for name, of in latencies.items() if row.id in of}
            metrics |= export_final(
                run, row, subnet, evaluator, splits, formats=formats, metrics=metrics
            )
            archive.record(row.id, row.architecture, metrics)
        progress(len(chosen), len(chosen), "")


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

    tuned = finetuned_run(run, row, options)
    with tuned.lock():
        with _stage(tuned, "train"), bars("fine-tuning") as progress:
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


def report_stage(run: RunFolder) -> Path:
    """Write the HTML report of a run and return its path."""
    from nas.report import write_report

    with _stage(run, "report"):
        return write_report(run)
