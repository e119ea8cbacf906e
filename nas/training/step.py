"""One training step: batch, members, gradients, update."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, NamedTuple, TypedDict

import torch
from torch import Tensor, nn

from nas.config import MAY_CHANGE, TrainConfig, default_values
from nas.data import AugmentConfig, DataSplits, erase, mix, normalise, rand_augment
from nas.data import augment as augment_images
from nas.errors import TrainingError
from nas.rng import stream, torch_stream
from nas.training.batch import Batch
from nas.training.compiled import CompiledForwards
from nas.training.largest import largest_at
from nas.training.losses import Targets, inner_loss, label_loss
from nas.training.part import Part, part_of
from nas.training.replicas import equalise, sum_gate_gradients, sum_gradients
from nas.training.state import TrainState
from nas.training.stored_teacher import StoredTeacher
from nas.training.strategies import Member, Moment, Phase, Strategy
from nas.world import ALONE, World
from search_spaces import Architecture
from search_spaces.modules.elastic import Region, hull
from search_spaces.modules.shard import sharded
from search_spaces.supernet import Regularisation, Supernet

__all__ = ["Recipe", "augmented_batch", "training_step"]

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
        world: The processes that do a step together.
        compiled: Runs what steps train again and again, where the configuration asks for it.
    """

    config: TrainConfig
    augment: AugmentConfig
    seed: int
    splits: DataSplits
    strategy: Strategy
    device: torch.device
    stored: StoredTeacher | None = None
    world: World = ALONE
    compiled: CompiledForwards = field(default_factory=CompiledForwards)

    def part(self, images: slice = slice(None)) -> Part:
        """Return which of some images of a step this process computes."""
        return part_of(self.config, self.world, images)

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
        train = self.config.model_dump(mode="json", exclude={*MAY_CHANGE, *_TOLD_OTHERWISE})
        taught = self.config.stored_teacher
        return {
            "seed": self.seed,
            "stored teacher": None if self.stored is None else self.stored.identity,
            "stored teacher's weight": None if taught is None else taught.weight,
            "training images": len(self.splits.train),
            **_flat("train", train),
            **_flat("augment", self.augment.model_dump(mode="json")),
        }

    def defaults(self) -> dict[str, Any]:
        """Return what those keys of `about` mean that a training of an older version lacks."""
        sections = {"train": self.config, "augment": self.augment}
        return {
            key: value
            for name, section in sections.items()
            for key, value in _flat(name, default_values(type(section))).items()
        }


def _flat(section: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{section}.{key}": value for key, value in values.items()}


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
        phase.fit(state, batch.joined(partial(recipe.world.join, count=config.batch_size)))
        equalise(state, recipe.world)
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
    regions = hull(region for member in members for region in _regions(state, member))
    sum_gate_gradients(state.gates, recipe.world)
    sum_gradients(dict(state.supernet.named_parameters()), regions, recipe.world)
    if config.gradient_clip is not None:
        norm = nn.utils.clip_grad_norm_(state.supernet.parameters(), config.gradient_clip)
        if not torch.isfinite(norm):
            raise _diverged(f"The norm of the gradient is {norm}", recipe, step, members[-1])
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


def _regions(state: TrainState, member: Member) -> Sequence[Mapping[str, Region]]:
    """Return the regions of parameters that a member uses."""
    if not member.gates:
        return [state.supernet.active_parameters(member.architecture)]
    return state.supernet.active_in_mixture(member.architecture, member.gates)


class _Draws(TypedDict):
    """Where the random numbers of one augmentation come from."""

    generator: torch.Generator
    first: int
    count: int


def augmented_batch(recipe: Recipe, step: int, images: Tensor, labels: Tensor) -> Batch:
    """Return the images of a step, augmented by the random numbers of that step, and labels."""
    settings, seed, count = recipe.augment, recipe.data_seed, recipe.config.batch_size
    first = recipe.world.share(count).start  # numbers are drawn for the images of all processes

    def drawn(purpose: str) -> _Draws:
        return {
            "generator": torch_stream(seed, purpose, step),
            "first": first,
            "count": count,
        }

    varied = rand_augment(
        images, settings.rand_augment, settings.rand_magnitude, **drawn("rand augment")
    )
    normalised = normalise(varied, recipe.splits.mean, recipe.splits.std)
    moved = augment_images(normalised, settings, **drawn("augment"))
    erased = erase(moved, settings.erase, **drawn("erase"))
    augmented, targets = mix(
        erased,
        labels,
        settings,
        classes=len(recipe.splits.train.class_names),
        rng=stream(seed, "mix", step),
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
        part = recipe.part(member.images)
        answer = None if frozen is None else frozen(resolution)
        compared = answer is not None and bool(answer.blocks)
        yielded: dict[str, Tensor] | None = {} if compared else None
        left_out = _regularisation(recipe, member)
        with _mixed_precision(recipe), sharded(part.shard):
            images = batch.at(resolution)[part.rows]
            if member.gates or member.rectified:
                logits = supernet.mixture(
                    images,
                    member.architecture,
                    member.gates,
                    left_out,
                    rectified=member.rectified,
                )
            else:
                forward = _forward(recipe, supernet, part, steady=member.steady)
                logits = forward(images, member.architecture, left_out, yielded)
        teacher = first if answer is None else answer.logits[part.rows]
        loss = member.loss(logits, Targets(batch.labels[part.rows], teacher))
        if yielded and answer is not None:
            ours = _only(yielded, state.compared)
            loss = loss + recipe.config.inner_weight * inner_loss(ours, answer.blocks)
        (loss * (member.weight * part.weight)).backward()  # type: ignore[no-untyped-call]
        first = logits.detach() if first is None else first
        losses.append(loss.detach() * part.weight)
    values: list[float] = recipe.world.total(torch.stack(losses)).tolist()
    return values


class _Answer(NamedTuple):
    """What a frozen teacher says of a batch: logits, and what its blocks yield where compared."""

    logits: Tensor
    blocks: Mapping[str, Tensor]


def _frozen_teacher(
    recipe: Recipe, state: TrainState, phase: Phase, batch: Batch
) -> Callable[[int], _Answer] | None:
    """Return what gives a frozen teacher's answer at a resolution, computed once; or None."""
    if recipe.stored is not None:
        epoch, position = divmod(recipe.data_step(state.step), recipe.steps_per_epoch)
        answers = recipe.stored.logits(epoch, position, device=recipe.device)
        own = _Answer(answers[recipe.world.share(recipe.config.batch_size)], {})
        return lambda resolution: own
    network = state.teacher
    if not phase.taught or network is None:
        return None

    @cache
    def answer(resolution: int) -> _Answer:
        blocks: dict[str, Tensor] | None = {} if state.compared else None
        architecture = phase.teacher or largest_at(network.space, resolution)
        part = recipe.part()
        with torch.no_grad(), _mixed_precision(recipe), sharded(part.shard):
            forward = _forward(recipe, network, part, steady=True)
            logits = forward(batch.at(resolution), architecture, None, blocks)
        return _Answer(logits, _only(blocks or {}, state.compared))

    return answer


def _only(yielded: Mapping[str, Tensor], slots: Sequence[str]) -> dict[str, Tensor]:
    """Return what those of the slots yield that the network has."""
    return {slot: yielded[slot] for slot in slots if slot in yielded}


def _forward(
    recipe: Recipe, network: Supernet, part: Part, *, steady: bool
) -> Callable[..., Tensor]:
    """Return the forward of a network, compiled where that is wanted and pays."""
    if not (recipe.config.compile and steady):
        return network
    return partial(recipe.compiled, network, shard=part.shard)


@torch.no_grad()
def _label_loss(
    recipe: Recipe, state: TrainState, batch: Batch, architecture: Architecture
) -> float:
    """Return an architecture's cross entropy with the labels of a batch."""
    supernet, part = state.supernet, recipe.part()
    with _mixed_precision(recipe), sharded(part.shard):
        logits = supernet(batch.at(supernet.space.resolution_of(architecture)), architecture)
    loss = label_loss()(logits, Targets(batch.labels)) * part.weight
    return float(recipe.world.total(loss))


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
