"""The training loop: one for all strategies, resumable after any step."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nas.chosen import keep_chosen
from nas.config import EvaluateConfig, TrainConfig
from nas.data import (
    AugmentConfig,
    DataSplits,
    ImageSet,
    StreamedSet,
    epoch_order,
    explained_decoding,
    on_device,
)
from nas.devices import prepare_device
from nas.errors import ConfigError, ElsewhereError, InterruptedRunError, TrainingError
from nas.interrupt import stop_request
from nas.runs import RunFolder
from nas.training.events import event_log
from nas.training.metrics import METRICS_EVERY, MetricsLog, forget_metrics_after, loss_means
from nas.training.replicas import equalise
from nas.training.state import TrainState, belongs_to
from nas.training.step import Recipe, training_step
from nas.training.stored_teacher import StoredTeacher, answers_belong_to
from nas.training.strategies import build_strategy, costs_of
from nas.training.watch import subnet_watch
from nas.world import ALONE, World
from predictors import CostTable
from search_spaces.progress import Progress, silent
from search_spaces.supernet import Supernet

__all__ = ["TrainReport", "check_batch", "step_batches", "train"]

_log = logging.getLogger(__name__)

_SHARE_FOR_IMAGES = 0.25  # of a GPU's free memory


@dataclass(frozen=True)
class TrainReport:
    """What a call of `train` did.

    Attributes:
        steps: Steps of the whole training.
        resumed_at: Steps that were done before this call.
        seconds: Wall time of this call's steps.
        images_per_s: Training images in a second of them; 0 if there were none.
    """

    steps: int
    resumed_at: int
    seconds: float
    images_per_s: float


def train(
    supernet: Supernet,
    splits: DataSplits,
    config: TrainConfig,
    *,
    seed: int,
    augment: AugmentConfig,
    run: RunFolder,
    teacher: Supernet | None = None,
    costs: Mapping[str, CostTable] | None = None,
    evaluate: EvaluateConfig | None = None,
    progress: Progress | None = None,
    world: World = ALONE,
) -> TrainReport:
    """Train a supernet, or go on from the newest checkpoint in the run folder.

    Every random number is addressed by seed and step. So on a CPU, with the same number of
    threads, a resumed training ends bit for bit where an uninterrupted one does.

    Args:
        supernet: Freshly initialised; trained in place, and moved to the device.
        splits: Only the training split is used.
        config: The training section.
        seed: Of the run.
        augment: How training images are varied.
        run: Takes checkpoints and metrics; the caller holds its lock.
        teacher: A trained network, in training mode, that teaches from the first step on
            where the strategy has a frozen teacher.
        costs: Compiled costs by metric, for a strategy that has one in its loss; MACs and
            parameters are known without.
        evaluate: How subnets are scored while training, where `watch_every` asks for it.
        progress: Told after every step.
        world: The processes that train together. All call this function alike; only the first
            one reads and writes the run folder.

    Raises:
        ConfigError: The loss of the strategy names a cost that is not known; or what is to be
            compiled waits for other processes.
        TrainingError: Loss or weights are not finite, memory ran out, or a batch has one
            image or more than the training split.
        CheckpointError: There are checkpoints, but none that belongs to this training; or the
            stored teacher belongs to another.
        DataError: Fewer training images than scoring a subnet takes.
        MissingExtraError: TensorBoard events are wanted and it is not installed.
        InterruptedRunError: SIGINT or SIGTERM came; the last step is in a checkpoint. Or another
            process of the training is gone; what was stored before is intact.
    """
    device = prepare_device(world.device(config.device), threads=config.threads)
    check_batch(config, len(splits.train), processes=world.size)
    _check_compiled(config, processes=world.size)
    steps_per_epoch = len(splits.train) // config.batch_size
    known = costs_of(supernet.space, costs)
    strategy = build_strategy(supernet.space, config, steps_per_epoch, known)
    stored = None
    if config.stored_teacher is not None:
        belongs = answers_belong_to(splits, config.batch_size, augment)
        stored = StoredTeacher.open(config.stored_teacher.path, belongs)
    recipe = Recipe(config, augment, seed, splits, strategy, device, stored, world)
    state = TrainState.begin(supernet.to(device).train(), config)
    if teacher is not None:
        state.teacher = teacher.to(device).requires_grad_(False)
    about = {**belongs_to(supernet.space), **recipe.about()}
    if world.is_first:
        if state.restore(run, about, recipe.defaults()):
            _log.info("going on after step %d of %d", state.step, recipe.steps)
        forget_metrics_after(run, state.step)
    equalise(state, world)
    _note_processes(state, world)
    resumed_at, started = state.step, time.monotonic()
    watch = None
    if config.watch_every is not None and world.is_first:
        watch = subnet_watch(state.supernet, splits, config, evaluate or EvaluateConfig())
    folder, wanted = run.path / "tensorboard", config.tensorboard and world.is_first
    with (
        _explained_memory(config, device),
        explained_decoding(),
        event_log(folder, wanted=wanted, step=state.step) as events,
    ):
        log = MetricsLog(run, events)
        _fit(recipe, state, run, about=about, log=log, watch=watch, progress=progress or silent)
    if world.is_first:
        keep_chosen(run.path, config.strategy, state.chosen)
    seconds = time.monotonic() - started
    images = (state.step - resumed_at) * config.batch_size
    return TrainReport(recipe.steps, resumed_at, seconds, images / seconds)


def check_batch(config: TrainConfig, images: int, *, processes: int) -> None:
    """Refuse a batch that the data or the processes do not allow.

    Args:
        config: The training section.
        images: In the training split.
        processes: That share a batch.

    Raises:
        TrainingError: It is larger than the split, or too small to be shared.
    """
    if not 2 <= config.batch_size <= images:
        raise TrainingError(
            f"train.batch_size = {config.batch_size} does not go with "
            f"{images} training images. Allowed is 2 (batch norm needs two) to as many."
        )
    if config.batch_size < 2 * processes:
        raise TrainingError(
            f"train.batch_size = {config.batch_size} is the batch of all {processes} processes "
            f"together, and each needs two images. Allowed is {2 * processes} or more, or "
            "fewer processes."
        )


def _check_compiled(config: TrainConfig, *, processes: int) -> None:
    """Refuse to compile sums over processes inside of a network: TorchInductor got them wrong."""
    if config.compile and config.sync_batch_norm and processes > 1:
        raise ConfigError(
            f"train.compile = true does not go with {processes} processes that share the "
            "statistics of a batch. Set train.compile = false, or start a new run with "
            "train.sync_batch_norm = false, or train in one process."
        )


def _note_processes(state: TrainState, world: World) -> None:
    """Say what it means that a training goes on in another number of processes."""
    if state.step and state.processes != world.size and world.is_first:
        _log.warning(
            "Up to step %d this training ran in %d process(es), now in %d. Batches, augmentation, "
            "architectures and learning rates stay what they were; sums are rounded in another "
            "order, so the end is equal to rounding, not bit for bit.",
            state.step,
            state.processes,
            world.size,
        )
    state.processes = world.size


def _fit(
    recipe: Recipe,
    state: TrainState,
    run: RunFolder,
    *,
    about: Mapping[str, Any],
    log: MetricsLog,
    watch: Callable[[], dict[str, float]] | None,
    progress: Progress,
) -> None:
    """Do the steps that are left."""
    logged = saved = time.monotonic()
    logged_step = state.step
    world = recipe.world
    with stop_request() as stop:
        for images, labels in step_batches(recipe, start=state.step):
            step, losses = state.step, training_step(recipe, state, images, labels)
            state.losses += losses
            now, done = time.monotonic(), state.step == recipe.steps
            epoch = step // recipe.steps_per_epoch
            if recipe.strategy.ends_phase(step) or state.step % METRICS_EVERY == 0:
                row = {
                    "kind": "train",
                    "step": state.step,
                    "epoch": epoch,
                    **recipe.strategy.label(step),
                    **loss_means(state.losses),
                    "learning_rate": recipe.learning_rate(step),
                    "images_per_s": (state.step - logged_step)
                    * recipe.config.batch_size
                    / (now - logged),
                }
                if world.is_first:
                    log.add(row)
                state.losses, logged, logged_step = [], now, state.step
            if watch is not None and _is_watched(recipe, state.step):
                log.add({"kind": "subnets", "step": state.step, "epoch": epoch, **watch()})
                logged += time.monotonic() - now  # images_per_s is that of the steps
            text = f"epoch {epoch + 1}/{recipe.config.epochs}, loss {losses[0][1]:.3f}"
            if world.is_first:
                progress(state.step, recipe.steps, text)
            stopped = world.any(bool(stop.signal))  # all stop after the same step
            if world.is_first and (
                done or stopped or now - saved >= recipe.config.checkpoint_every_s
            ):
                state.save(run, about)
                saved = time.monotonic()
            if stopped and not done:
                if not world.is_first:
                    raise ElsewhereError(InterruptedRunError.exit_code)
                what = stop.signal or "a signal to another process"
                raise InterruptedRunError(
                    f"Training was stopped by {what} after step {state.step} of "
                    f"{recipe.steps}, which is stored. Go on with --resume {run.path}."
                )


def _is_watched(recipe: Recipe, done: int) -> bool:
    """Return whether subnets are scored after so many steps: every few, and after the last."""
    every = recipe.config.watch_every
    return every is not None and (done % every == 0 or done == recipe.steps)


def step_batches(recipe: Recipe, *, start: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Return this process's images (uint8) and labels of every step from `start` on."""
    images, device = recipe.splits.train, recipe.device
    orders = _orders(recipe, start=start)
    if isinstance(images, StreamedSet):
        return on_device(images.batches(orders, pinned=device.type == "cuda"), device)
    if _fits(images, device):
        images = images.to(device)
    return on_device((images.at(order) for order in orders), device)


def _orders(recipe: Recipe, *, start: int) -> Iterator[Tensor]:
    """Yield which training images this process takes in every step from `start` on."""
    size, count = recipe.config.batch_size, len(recipe.splits.train)
    share = recipe.world.share(size)
    for epoch in range(start // recipe.steps_per_epoch, recipe.config.epochs):
        order = epoch_order(count, seed=recipe.data_seed, epoch=recipe.data_epoch(epoch))
        done = max(0, start - epoch * recipe.steps_per_epoch)
        for step in range(done, recipe.steps_per_epoch):
            yield order[step * size : (step + 1) * size][share]


def _fits(image_set: ImageSet, device: torch.device) -> bool:
    """Return whether the whole set may lie on the device; uint8, so it often does."""
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return image_set.images.nbytes <= _SHARE_FOR_IMAGES * free


@contextmanager
def _explained_memory(config: TrainConfig, device: torch.device) -> Iterator[None]:
    """Turn what torch raises when memory runs out into a message about the batch."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError | torch.OutOfMemoryError) and (
            "can't allocate memory" not in str(error)
        ):
            raise
        raise TrainingError(
            f"Memory ran out on {device} with train.batch_size = {config.batch_size}. The last "
            "checkpoint is kept. Go on with --resume when more memory is free, or in more "
            "processes, which share the batch; or start a new run with a smaller batch (and a "
            "learning rate smaller in proportion) or with smaller images."
        ) from error
