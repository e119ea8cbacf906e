"""What a strategy returns: the members of one training step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from torch import Tensor

from nas.rng import stream
from nas.training.losses import Loss
from search_spaces import Architecture
from search_spaces.supernet import Gate

__all__ = ["Draw", "Member", "Moment"]


@dataclass(frozen=True, slots=True)
class Member:
    """One subnet of a training step.

    Attributes:
        role: What it is there for, for example ``largest``; metrics are kept for each role.
        architecture: One option for each choice.
        loss: What it learns. The first member of a step is the teacher of the others, unless
            a frozen network teaches all of them.
        weight: What its gradient is multiplied by before the gradients are summed.
        regularised: Whether dropout and drop-path act on it.
        gates: Of choices that are mixed in it, by name; see `Supernet.mixture`.
        rectified: How much of single ReLUs is taken, by slot; see `Supernet.mixture`.
        images: Which of the step's images it sees; all of them unless it says otherwise.
        steady: Whether the steps of its phase have this architecture again and again, so that it
            pays to compile it.
    """

    role: str
    architecture: Architecture
    loss: Loss
    weight: float = 1.0
    regularised: bool = True
    gates: Mapping[str, Gate] = field(default_factory=dict)
    rectified: Mapping[str, Tensor] = field(default_factory=dict)
    images: slice = field(default_factory=lambda: slice(None))
    steady: bool = False


@dataclass(frozen=True, slots=True)
class Moment:
    """A training step as a strategy sees it when it chooses the members.

    Attributes:
        seed: Of the run.
        step: Of the whole training, from 0.
        label_loss: Cross entropy of an architecture with the labels of the step's batch,
            without a gradient.
        chosen: Architectures that the training has chosen; see `TrainState.chosen`.
        gates: What the strategy has learnt of options; see `TrainState.gates`.
    """

    seed: int
    step: int
    label_loss: Callable[[Architecture], float]
    chosen: tuple[Architecture, ...] = ()
    gates: Mapping[str, Tensor] = field(default_factory=dict)

    def rng(self) -> np.random.Generator:
        """Return the random stream of this step."""
        return stream(self.seed, "strategy", self.step)


Draw: TypeAlias = Callable[[Moment], tuple[Member, ...]]
"""From a step to its members, whose gradients are summed."""
