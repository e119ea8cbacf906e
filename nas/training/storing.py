"""The answers of a trained network on every image that a training is going to see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from nas.config import Config
from nas.data import DataSplits
from nas.errors import ConfigError
from nas.training.loop import step_batches
from nas.training.step import Recipe, augmented_batch
from nas.training.stored_teacher import StoredTeacher, answers_belong_to, store_teacher
from nas.training.strategies.phase import Strategy
from search_spaces.progress import Progress, silent

__all__ = ["store_answers"]


def store_answers(
    network: nn.Module,
    resolution: int,
    splits: DataSplits,
    config: Config,
    folder: Path,
    *,
    teacher: str,
    top: int,
    epochs: int | None = None,
    progress: Progress = silent,
) -> StoredTeacher:
    """Store what a network answers to the images of a training, as they will be augmented.

    Args:
        network: In evaluation mode, on its device; gives logits [n, classes].
        resolution: Height = width that it takes.
        splits: The images of the training.
        config: Of the training; its seed, batch size and augmentation are replayed.
        folder: Where to.
        teacher: Which network it is, for people.
        top: Classes kept for each image.
        epochs: How many; by default those of the training.
        progress: Told after every epoch.

    Raises:
        ConfigError: The network has other classes than the images.
        CheckpointError: The folder holds another stored teacher.
        RunError: The disk is full or the folder not writable.
    """
    train = config.train.model_copy(update={"epochs": epochs or config.train.epochs})
    device = next(network.parameters()).device
    recipe = Recipe(train, config.augment, config.seed, splits, Strategy(()), device)
    classes = len(splits.train.class_names)

    @torch.no_grad()
    def probabilities(epoch: int) -> Iterator[Tensor]:
        first = epoch * recipe.steps_per_epoch
        until = replace(recipe, config=train.model_copy(update={"epochs": epoch + 1}))
        for step, (images, labels) in enumerate(step_batches(until, start=first), first):
            logits = network(augmented_batch(recipe, step, images, labels).at(resolution))
            if logits.shape[1] != classes:
                raise ConfigError(
                    f"The teacher tells {logits.shape[1]} classes apart, the images have "
                    f"{classes}. Choose a teacher that was trained for these images."
                )
            yield logits.float().softmax(dim=1)

    about = {
        **answers_belong_to(splits, train.batch_size, config.augment),
        "seed": config.seed,
        "teacher": teacher,
    }
    return store_teacher(
        folder,
        about,
        probabilities=probabilities,
        epochs=train.epochs,
        top=top,
        progress=progress,
    )
