"""What changes while a supernet trains, to a checkpoint and back."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

from nas.config import TrainConfig
from nas.errors import CheckpointError, ConfigError
from nas.runs import RunFolder
from nas.training.checkpoint import Checkpoint, newest_checkpoint, save_checkpoint
from nas.training.optimizer import RegionOptimizer
from nas.training.slots import compared_slots, named_slots
from search_spaces import Architecture, SearchSpace
from search_spaces.blocks import BlockSpec
from search_spaces.ensemble import EnsembleSpace
from search_spaces.modules.channels import reorder
from search_spaces.supernet import Supernet

__all__ = ["TrainState", "belongs_to", "load_supernet"]


@dataclass
class TrainState:
    """Weights, optimizer, moving average and the losses not yet written to the metrics.

    Attributes:
        supernet: On its device.
        optimizer: Of its parameters.
        ema: Moving average by parameter name; empty when none is kept.
        step: Steps done.
        losses: Role and loss of every member since the last line of the metrics.
        teacher: A frozen copy of the weights that teaches all members; None without one.
        chosen: Architectures that the training has chosen itself, in its order.
        gates: What a strategy learns of options, and whatever else it must remember, by name.
        processes: In how many the last step was done.
        compared: Slots whose outputs are compared with those of a frozen teacher.
    """

    supernet: Supernet
    optimizer: RegionOptimizer
    ema: dict[str, Tensor]
    step: int = 0
    losses: list[tuple[str, float]] = field(default_factory=list)
    teacher: Supernet | None = None
    chosen: list[Architecture] = field(default_factory=list)
    gates: dict[str, Tensor] = field(default_factory=dict)
    processes: int = 1
    compared: tuple[str, ...] = ()

    @classmethod
    def begin(cls, supernet: Supernet, config: TrainConfig) -> TrainState:
        """Return the state before the first step.

        Raises:
            ConfigError: No slot has a name that is to be frozen or compared, or no weight is left
                to train.
        """
        if config.zero_gamma:
            supernet.zero_gammas()
        for slot in named_slots(supernet.space, config.freeze, key="train.freeze"):
            for parameter in supernet.slot_parameters(slot):
                parameter.requires_grad_(False)
        if not any(parameter.requires_grad for parameter in supernet.parameters()):
            raise ConfigError("train.freeze leaves no weight to train. Name fewer slots.")
        parameters = dict(supernet.named_parameters())
        ema = (
            {}
            if config.ema_decay is None
            else {n: p.detach().clone() for n, p in parameters.items()}
        )
        compared = compared_slots(supernet.space, config)
        return cls(supernet, RegionOptimizer(parameters, config), ema, compared=compared)

    @torch.no_grad()
    def average(self, decay: float) -> None:
        """Move the average towards the weights, all of them: it is one over time.

        In the first steps it follows faster, ``(1 + step) / (10 + step)``, so that the initial
        weights are soon forgotten.
        """
        decay = min(decay, (1 + self.step) / (10 + self.step))
        parameters = dict(self.supernet.named_parameters())
        weights = [parameters[name].detach() for name in self.ema]
        move = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        move(list(self.ema.values()), weights, self.step)

    def keep_teacher(self) -> None:
        """Keep a frozen copy of the weights; it normalises by batches, as the supernet does."""
        self.teacher = self.copied_supernet().requires_grad_(False)

    def copied_supernet(self) -> Supernet:
        """Return a copy of the supernet as it is."""
        space = self.supernet.space
        same = {id(space): space}  # a value: it is not copied
        return copy.deepcopy(self.supernet, same)

    def restart_optimizer(self) -> None:
        """Forget momentum and moments."""
        self.optimizer.restart()

    def sort_channels(self, kept: Mapping[str, Collection[BlockSpec]]) -> None:
        """Move important channels to the front, with their momentum and average.

        Args:
            kept: By slot, the blocks that compute afterwards what they did.
        """
        orders = self.supernet.channel_orders(kept)
        reorder(self.supernet.state_dict(), orders)
        reorder(self.ema, orders)
        self.optimizer.reorder(orders)

    def tensors(self) -> dict[str, Tensor]:
        """Return what a checkpoint holds, by name; the tensors themselves."""
        parts: dict[str, Mapping[str, Tensor]] = {
            "model": self.supernet.state_dict(),
            "optimizer": self.optimizer.state,
            "ema": self.ema,
            "gates": self.gates,
            "teacher": {} if self.teacher is None else self.teacher.state_dict(),
        }
        return {f"{part}/{n}": t for part, tensors in parts.items() for n, t in tensors.items()}

    def save(self, run: RunFolder, about: Mapping[str, Any]) -> None:
        """Store the state in the run folder; for errors see `save_checkpoint`."""
        notes = self.notes()
        save_checkpoint(run.checkpoints, Checkpoint(self.step, self.tensors(), about, notes))

    def notes(self) -> dict[str, Any]:
        """Return what else a checkpoint holds, as a JSON object."""
        chosen = [dict(architecture) for architecture in self.chosen]
        return {"losses": self.losses, "chosen": chosen, "processes": self.processes}

    def take_notes(self, notes: Mapping[str, Any]) -> None:
        """Take over what `notes` returned."""
        self.losses = [(role, loss) for role, loss in notes["losses"]]
        self.chosen = [Architecture(chosen) for chosen in notes.get("chosen", ())]
        self.processes = notes.get("processes", 1)

    @torch.no_grad()
    def restore(
        self,
        run: RunFolder,
        about: Mapping[str, Any],
        defaults: Mapping[str, Any] | None = None,
    ) -> bool:
        """Take over the newest good checkpoint of the run folder; False if there is none.

        For the arguments see `newest_checkpoint`.

        Raises:
            CheckpointError: There are checkpoints, but none that belongs to this training.
        """
        checkpoint = newest_checkpoint(run.checkpoints, about, defaults)
        if checkpoint is None:
            return False
        if checkpoint.part("teacher") and self.teacher is None:
            self.keep_teacher()
        device = next(self.supernet.parameters()).device
        self.gates = {n: t.to(device, copy=True) for n, t in checkpoint.part("gates").items()}
        current = self.tensors()
        _check_names(checkpoint.tensors, current)
        for name, tensor in current.items():
            tensor.copy_(checkpoint.tensors[name])
        self.step = checkpoint.step
        self.take_notes(checkpoint.notes)
        return True


def _check_names(stored: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Refuse tensors that differ in name or shape from what this version trains."""
    differ = [n for n in {**expected, **stored} if n not in stored or n not in expected]
    differ += [n for n in expected if n in stored and stored[n].shape != expected[n].shape]
    if differ:
        raise CheckpointError(
            f"The checkpoint does not hold the tensors of this training; {len(differ)} differ, "
            f"first {differ[0]!r}. It is of another version; start a new run."
        )


def belongs_to(space: SearchSpace) -> dict[str, str]:
    """Return what a checkpoint says of its space."""
    return {"space": f"{space.name} {space.fingerprint}"}


def load_supernet(run: RunFolder, space: SearchSpace) -> Supernet:
    """Return the trained supernet of a run in evaluation mode, on the CPU.

    The weights are the moving average where the run kept one. The ensembles that a search looks
    for have the weights of the space that was trained.

    Raises:
        CheckpointError: The run has no checkpoint of this space that can be read.
    """
    searched = run.config.search.ensemble is not None
    trained = space.base if searched and isinstance(space, EnsembleSpace) else space
    checkpoint = newest_checkpoint(run.checkpoints, belongs_to(trained))
    if checkpoint is None:
        raise CheckpointError(
            f"{run.path} holds no checkpoint, so nothing was trained yet. Train the run first."
        )
    supernet = Supernet(space)
    weights = {**checkpoint.part("model"), **checkpoint.part("ema")}
    _check_names(weights, supernet.state_dict())
    supernet.load_state_dict(weights)
    return supernet.eval()
