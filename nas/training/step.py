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
from nas.training.optimizer import hull
from nas.training.state import TrainState
from nas.training.stored_teacher import StoredTeacher
from nas.training.strategies import Member, Moment, Phase, Strategy
from search_spaces import Architecture
from search_spaces.modules.elastic import Region
from search_spaces.supernet import Regularisation

__all__ = ["Recipe", "augmented_batch", "training_step"]

_MAY_CHANGE = {"amp", "channels_last", "checkpoint_every_s", "device", "threads"}
_TOLD_OTHERWISE = {"stored_teacher"}  # by what it says of itself: it may move


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
        stored: Teacher whose answers are replayed; order and augmentation are then its.
    """

    config: TrainConfig
    augment: AugmentConfig
    seed: int
    splits: DataSplits
    strategy: Strategy
    device: torch.device
    stored: StoredTeacher | None = None

    @property
    def data_seed(self) -> int:
        """The seed of the order and of the augmentation of the images."""
        return self.seed if self.stored is None else self.stored.seed

    def data_epoch(self, epoch: int) -> int:
        """Return the epoch whose order and augmentation an epoch has."""
        return epoch if self.stored is None else epoch % self.stored.epochs

    def data_step(self, step: int) -> int:
        """Return the step whose augmentation a step has."""
        epoch, position = divmod(step, self.steps_per_epoch)
        return self.data_epoch(epoch) * self.steps_per_epoch + position

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
        train = self.config.model_dump(mode="json", exclude=_MAY_CHANGE | _TOLD_OTHERWISE)
        augment = self.augment.model_dump(mode="json")
        taught = self.config.stored_teacher
        return {
            "seed": self.seed,
            "stored teacher": None if self.stored is None else self.stored.identity,
            "stored teacher's weight": None if taught is None else taught.weight,
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
    batch = augmented_batch(recipe, recipe.data_step(step), images, labels)
    if done == 0 and phase.fit is not None:
        phase.fit(state, batch)
    state.optimizer.forget_gradients()
    with _seeded_dropout(recipe, step):
        label_loss = partial(_label_loss, recipe, state, batch)
        moment = Moment(seed, step, label_loss, tuple(state.chosen), state.gates)
        members = phase.draw(moment)
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
    regions = hull(region for member in members for region in _regions(state, member))
    state.optimizer.step(regions, learning_rate=recipe.learning_rate(step))
    adjusted: list[tuple[str, float]] = []
    if phase.adjust is not None:
        with _seeded_dropout(recipe, step):
            adjusted = phase.adjust(state, moment, partial(_held_out_batch, recipe, step))
    for role, value in adjusted:
        if not math.isfinite(value):
            raise _diverged(f"The loss of the {role} is {value}", recipe, step, members[-1])
    state.step += 1
    if config.ema_decay is not None:
        state.average(config.ema_decay)
    trained = [(member.role, loss) for member, loss in zip(members, losses, strict=True)]
    return trained + adjusted


def _regions(state: TrainState, member: Member) -> list[dict[str, Region]]:
    """Return the regions of parameters that a member uses."""
    if not member.gates:
        return [state.supernet.active_parameters(member.architecture)]
    return state.supernet.active_in_mixture(member.architecture, member.gates)


def augmented_batch(recipe: Recipe, step: int, images: Tensor, labels: Tensor) -> Batch:
    """Return the images of a step, augmented by the random numbers of that step, and labels."""
    normalised = normalise(images, recipe.splits.mean, recipe.splits.std)
    generator = torch_stream(recipe.data_seed, "augment", step)
    augmented, targets = mix(
        augment_images(normalised, recipe.augment, generator=generator),
        labels,
        recipe.augment,
        classes=len(recipe.splits.train.class_names),
        rng=stream(recipe.data_seed, "mix", step),
    )
    return Batch(augmented, targets, channels_last=recipe.config.channels_last)


def _regularisation(recipe: Recipe, member: Member) -> Regularisation | None:
    """Return what is left out of a member at random; None for what its dropout does."""
    if not member.regularised:
        return Regularisation(dropout=False)
    rate = recipe.config.drop_path
    return Regularisation(drop_path=rate) if rate else None


def _held_out_batch(recipe: Recipe, step: int) -> Batch:
    """Return as many images of the validation split as a batch has, not augmented."""
    held_out = recipe.splits.validation
    size = min(recipe.config.batch_size, len(held_out))
    chosen = stream(recipe.seed, "held out", step).choice(len(held_out), size, replace=False)
    part = held_out.select(torch.from_numpy(chosen)).to(recipe.device)
    normalised = normalise(part.images, recipe.splits.mean, recipe.splits.std)
    return Batch(normalised, part.labels, channels_last=recipe.config.channels_last)


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
            images = batch.at(resolution)[member.images]
            if member.gates or member.rectified:
                logits = supernet.mixture(
                    images, member.architecture, member.gates, rectified=member.rectified
                )
            else:
                logits = supernet(images, member.architecture, _regularisation(recipe, member))
        teacher = first if frozen is None else frozen(resolution)[member.images]
        loss = member.loss(logits, Targets(batch.labels[member.images], teacher))
        (loss * member.weight).backward()  # type: ignore[no-untyped-call]
        first = logits.detach() if first is None else first
        losses.append(loss.detach())
    values: list[float] = torch.stack(losses).tolist()
    return values


def _frozen_teacher(
    recipe: Recipe, state: TrainState, phase: Phase, batch: Batch
) -> Callable[[int], Tensor] | None:
    """Return what gives a frozen teacher's logits at a resolution, computed once; or None."""
    if recipe.stored is not None:
        epoch, position = divmod(recipe.data_step(state.step), recipe.steps_per_epoch)
        answers = recipe.stored.logits(epoch, position, device=recipe.device)
        return lambda resolution: answers
    network = state.teacher
    if not phase.taught or network is None:
        return None

    @cache
    def logits(resolution: int) -> Tensor:
        with torch.no_grad(), _mixed_precision(recipe):
            teacher = phase.teacher or largest_at(network.space, resolution)
            result: Tensor = network(batch.at(resolution), teacher)
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
