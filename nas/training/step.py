"""One training step: batch, members, gradients, update."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nas.config import TrainConfig
from nas.data import AugmentConfig, DataSplits, normalise, resize
from nas.data import augment as augment_images
from nas.devices import to_channels_last
from nas.errors import TrainingError
from nas.rng import stream, torch_stream
from nas.training.losses import Targets
from nas.training.optimizer import hull
from nas.training.schedule import warmup_cosine
from nas.training.state import TrainState
from nas.training.strategies import Member, Strategy
from search_spaces.supernet import Supernet

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
        strategy: Which subnets a step trains.
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
        return self.steps_per_epoch * self.config.epochs

    def learning_rate(self, step: int) -> float:
        """Return the learning rate of one step."""
        return warmup_cosine(
            step,
            peak=self.config.learning_rate,
            warmup_steps=round(self.config.warmup_epochs * self.steps_per_epoch),
            total_steps=self.steps,
        )

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
    normalised = normalise(images, recipe.splits.mean, recipe.splits.std)
    generator = torch_stream(seed, "augment", step)
    batch = augment_images(normalised, recipe.augment, generator=generator)
    members = recipe.strategy(stream(seed, "strategy", step))
    state.optimizer.forget_gradients()
    with _seeded_dropout(recipe, step):
        losses = _gradients(recipe, state.supernet, members, batch, labels)
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


def _gradients(
    recipe: Recipe, supernet: Supernet, members: Sequence[Member], batch: Tensor, labels: Tensor
) -> list[float]:
    """Add up the gradients of all members, each at its resolution; return their losses."""
    device, config = recipe.device, recipe.config
    amp = torch.autocast(device.type, torch.bfloat16, config.amp and device.type == "cuda")
    inputs: dict[int, Tensor] = {}
    losses: list[Tensor] = []
    teacher: Tensor | None = None
    for member in members:
        resolution = supernet.space.resolution_of(member.architecture)
        if resolution not in inputs:
            resized = resize(batch, resolution)
            inputs[resolution] = to_channels_last(resized) if config.channels_last else resized
        with amp:
            logits = supernet(inputs[resolution], member.architecture)
        loss = member.loss(logits, Targets(labels, teacher))
        loss.backward()  # type: ignore[no-untyped-call]
        teacher = logits.detach() if teacher is None else teacher
        losses.append(loss.detach())
    values: list[float] = torch.stack(losses).tolist()
    return values


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
