"""One training step: batch, members, gradients, update."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, nn

from nas.config import TrainConfig
from nas.data import AugmentConfig, DataSplits, mix, normalise
from nas.data import augment as augment_images
from nas.errors import TrainingError
from nas.rng import stream, torch_stream
from nas.training.batch import Batch
from nas.training.largest import largest_at
from nas.training.losses import Targets, label_loss
from nas.training.state import TrainState
from nas.training.strategies import Member, Moment, Phase, Strategy
from search_spaces import Architecture
from search_spaces.modules.elastic import hull

__all__ = ["Recipe", "training_step"]

_MAY_CHANGE = {"amp", "channels_last", "checkpoint_every_s", "device", "threads"}


@dataclass(frozen=True)
class Recipe:
    """What stays the same from step to step.

    Attributes:
        config: The training section.
        augment: How training images are varied.
        seed: Of the run.
        splits: For the number of training images and their mean and deviation.
        strategy: Which subnets a step trains, phase by phase.
        device: Where.
    """

    config: TrainConfig
    augment: AugmentConfig
    seed: int
    splits: DataSplits
    strategy: Strategy
    device: torch.device

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in an epoch; the images that are left over change with its order."""
        return len(self.splits.train) // self.config.batch_size

    @property
    def steps(self) -> int:
        """Steps of the whole training."""
        return self.strategy.steps

    def learning_rate(self, step: int) -> float:
        """Return the learning rate of one step."""
        return self.strategy.at(step)[0].learning_rate(step)

    def about(self) -> dict[str, Any]:
        """Return what must not change on a resume, as a flat JSON object."""
        train = self.config.model_dump(mode="json", exclude=_MAY_CHANGE)
        augment = self.augment.model_dump(mode="json")
        return {
            "seed": self.seed,
            "training images": len(self.splits.train),
            **{f"train.{key}": value for key, value in train.items()},
            **{f"augment.{key}": value for key, value in augment.items()},
        }


def training_step(
    recipe: Recipe, state: TrainState, images: Tensor, labels: Tensor
) -> list[tuple[str, float]]:
    """Do one step and return role and loss of every member.

    Raises:
        TrainingError: A loss or the gradient is not finite; the weights are as before.
    """
    config, seed, step = recipe.config, recipe.seed, state.step
    phase, done = recipe.strategy.at(step)
    if done == 0:
        for prepare in phase.prepare:
            prepare(state)
    batch = _batch(recipe, step, images, labels)
    state.optimizer.forget_gradients()
    with _seeded_dropout(recipe, step):
        members = phase.draw(Moment(seed, step, partial(_label_loss, recipe, state, batch)))
        losses = _gradients(recipe, state, phase, members, batch)
    for member, loss in zip(members, losses, strict=True):
        if not math.isfinite(loss):
            raise _diverged(
                f"The loss of the {member.role} subnet is {loss}", recipe, step, member
            )
    if config.gradient_clip is not None:
        norm = nn.utils.clip_grad_norm_(state.supernet.parameters(), config.gradient_clip)
        if not torch.isfinite(norm):
            raise _diverged(f"The norm of the gradient is {norm}", recipe, step, members[-1])
    regions = hull(state.supernet.active_parameters(m.architecture) for m in members)
    state.optimizer.step(regions, learning_rate=recipe.learning_rate(step))
    state.step += 1
    if config.ema_decay is not None:
        state.average(config.ema_decay)
    return [(member.role, loss) for member, loss in zip(members, losses, strict=True)]


def _batch(recipe: Recipe, step: int, images: Tensor, labels: Tensor) -> Batch:
    """Return the augmented images of a step and their labels."""
    normalised = normalise(images, recipe.splits.mean, recipe.splits.std)
    generator = torch_stream(recipe.seed, "augment", step)
    augmented, targets = mix(
        augment_images(normalised, recipe.augment, generator=generator),
        labels,
        recipe.augment,
        classes=len(recipe.splits.train.class_names),
        rng=stream(recipe.seed, "mix", step),
    )
    return Batch(augmented, targets, channels_last=recipe.config.channels_last)


def _gradients(
    recipe: Recipe, state: TrainState, phase: Phase, members: Sequence[Member], batch: Batch
) -> list[float]:
    """Add up the gradients of all members, each at its resolution; return their losses."""
    supernet, frozen = state.supernet, _frozen_teacher(recipe, state, phase, batch)
    losses: list[Tensor] = []
    first: Tensor | None = None
    for member in members:
        resolution = supernet.space.resolution_of(member.architecture)
        with _mixed_precision(recipe):
            logits = supernet(batch.at(resolution), member.architecture)
        teacher = first if frozen is None else frozen(resolution)
        loss = member.loss(logits, Targets(batch.labels, teacher))
        (loss * member.weight).backward()  # type: ignore[no-untyped-call]
        first = logits.detach() if first is None else first
        losses.append(loss.detach())
    values: list[float] = torch.stack(losses).tolist()
    return values


def _frozen_teacher(
    recipe: Recipe, state: TrainState, phase: Phase, batch: Batch
) -> Callable[[int], Tensor] | None:
    """Return what gives a frozen teacher's logits at a resolution, computed once; or None."""
    network = state.teacher
    if not phase.taught or network is None:
        return None

    @cache
    def logits(resolution: int) -> Tensor:
        with torch.no_grad(), _mixed_precision(recipe):
            result: Tensor = network(batch.at(resolution), largest_at(network.space, resolution))
        return result

    return logits


@torch.no_grad()
def _label_loss(
    recipe: Recipe, state: TrainState, batch: Batch, architecture: Architecture
) -> float:
    """Return an architecture's cross entropy with the labels of a batch."""
    supernet = state.supernet
    with _mixed_precision(recipe):
        logits = supernet(batch.at(supernet.space.resolution_of(architecture)), architecture)
    return float(label_loss()(logits, Targets(batch.labels)))


def _mixed_precision(recipe: Recipe) -> torch.autocast:
    device = recipe.device.type
    return torch.autocast(device, torch.bfloat16, recipe.config.amp and device == "cuda")


@contextmanager
def _seeded_dropout(recipe: Recipe, step: int) -> Iterator[None]:
    """Let dropout, which knows only torch's global generator, draw from a stream of the step."""
    devices = [recipe.device] if recipe.device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(int(stream(recipe.seed, "dropout", step).integers(2**63)))
        yield


def _diverged(what: str, recipe: Recipe, step: int, member: Member) -> TrainingError:
    return TrainingError(
        f"{what} at step {step}, learning rate {recipe.learning_rate(step):g}, architecture "
        f"{member.architecture.to_json()}. The last checkpoint is kept. Start a new run with a "
        "lower train.learning_rate or a longer train.warmup_epochs, or set train.gradient_clip."
    )
