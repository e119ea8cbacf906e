"""The training loop: one for all strategies, resumable after any step."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nas.chosen import keep_chosen
from nas.config import TrainConfig
from nas.data import AugmentConfig, DataSplits, ImageSet, batches, epoch_order
from nas.devices import prepare_device
from nas.errors import InterruptedRunError, TrainingError
from nas.interrupt import stop_request
from nas.runs import RunFolder
from nas.training.metrics import METRICS_EVERY, forget_metrics_after, loss_means
from nas.training.state import TrainState, belongs_to
from nas.training.step import Recipe, training_step
from nas.training.stored_teacher import StoredTeacher, answers_belong_to
from nas.training.strategies import build_strategy, costs_of
from predictors import CostTable
from search_spaces.progress import Progress, silent
from search_spaces.supernet import Supernet

__all__ = ["TrainReport", "step_batches", "train"]

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
    progress: Progress | None = None,
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
        progress: Told after every step.

    Raises:
        ConfigError: The loss of the strategy names a cost that is not known.
        TrainingError: Loss or weights are not finite, memory ran out, or a batch has one
            image or more than the training split.
        CheckpointError: There are checkpoints, but none that belongs to this training; or the
            stored teacher belongs to another.
        InterruptedRunError: SIGINT or SIGTERM came; the last step is in a checkpoint.
    """
    device = prepare_device(config.device, threads=config.threads)
    if not 2 <= config.batch_size <= len(splits.train):
        raise TrainingError(
            f"train.batch_size = {config.batch_size} does not go with "
            f"{len(splits.train)} training images. Allowed is 2 (batch norm needs two) to as many."
        )
    steps_per_epoch = len(splits.train) // config.batch_size
    known = costs_of(supernet.space, costs)
    strategy = build_strategy(supernet.space, config, steps_per_epoch, known)
    stored = None
    if config.stored_teacher is not None:
        belongs = answers_belong_to(splits, config.batch_size, augment)
        stored = StoredTeacher.open(config.stored_teacher.path, belongs)
    recipe = Recipe(config, augment, seed, splits, strategy, device, stored)
    state = TrainState.begin(supernet.to(device).train(), config)
    if teacher is not None:
        state.teacher = teacher.to(device).requires_grad_(False)
    about = {**belongs_to(supernet.space), **recipe.about()}
    if state.restore(run, about):
        _log.info("going on after step %d of %d", state.step, recipe.steps)
    forget_metrics_after(run, state.step)
    resumed_at, started = state.step, time.monotonic()
    with _explained_memory(config, device):
        _fit(recipe, state, run, about=about, progress=progress or silent)
    keep_chosen(run.path, config.strategy, state.chosen)
    seconds = time.monotonic() - started
    images = (state.step - resumed_at) * config.batch_size
    return TrainReport(recipe.steps, resumed_at, seconds, images / seconds)


def _fit(
    recipe: Recipe,
    state: TrainState,
    run: RunFolder,
    *,
    about: Mapping[str, Any],
    progress: Progress,
) -> None:
    """Do the steps that are left."""
    logged = saved = time.monotonic()
    logged_step = state.step
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
                    "images_per_s": (state.step - logged_step) * len(labels) / (now - logged),
                }
                run.append_metrics(row)
                state.losses, logged, logged_step = [], now, state.step
            text = f"epoch {epoch + 1}/{recipe.config.epochs}, loss {losses[0][1]:.3f}"
            progress(state.step, recipe.steps, text)
            if done or stop.signal or now - saved >= recipe.config.checkpoint_every_s:
                state.save(run, about)
                saved = time.monotonic()
            if stop.signal and not done:
                raise InterruptedRunError(
                    f"Training was stopped by {stop.signal} after step {state.step} of "
                    f"{recipe.steps}, which is stored. Go on with --resume {run.path}."
                )


def step_batches(recipe: Recipe, *, start: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield images (uint8) and labels of every step from `start` on, on the device."""
    size, device = recipe.config.batch_size, recipe.device
    image_set = recipe.splits.train
    if _fits(image_set, device):
        image_set = image_set.to(device)
    for epoch in range(start // recipe.steps_per_epoch, recipe.config.epochs):
        order = epoch_order(len(image_set), seed=recipe.data_seed, epoch=recipe.data_epoch(epoch))
        done = max(0, start - epoch * recipe.steps_per_epoch)
        order = order[done * size : recipe.steps_per_epoch * size]
        for images, labels in batches(image_set, size, order=order):
            yield images.to(device), labels.to(device)


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
            "checkpoint is kept. Start a new run with a smaller batch (and a learning rate "
            "smaller in proportion) or with smaller images."
        ) from error
