"""A strategy as data: phases one after another, each with its members and learning rates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from nas.config import TrainConfig
from nas.training.batch import Batch
from nas.training.schedule import warmup_cosine
from nas.training.state import TrainState
from nas.training.strategies.member import Draw, Moment
from search_spaces import Architecture

__all__ = ["Adjustment", "Phase", "Preparation", "Strategy", "cosine", "one_phase"]

Preparation: TypeAlias = Callable[[TrainState], None]
"""What is done to the state once, in front of the first step of a phase.

It depends on the state alone: after a kill it is done again from the same state.
"""

Adjustment: TypeAlias = Callable[
    [TrainState, Moment, Callable[[], Batch]], list[tuple[str, float]]
]
"""What is done to the state behind the update of the weights in every step.

It depends on its arguments alone. The third gives images of the validation split, as many as a
batch, other ones in every step. It returns losses by role, for the metrics.
"""


@dataclass(frozen=True, slots=True)
class Phase:
    """Steps that are trained alike.

    Attributes:
        name: For metrics and messages.
        steps: How many.
        draw: Chooses the members of a step.
        learning_rate: From the step of the whole training to its learning rate.
        prepare: Done in order in front of the first step.
        taught: Whether the state's frozen teacher teaches all members; otherwise the first
            member of a step teaches the others.
        adjust: Done behind every step.
        teacher: The architecture of the frozen teacher; None is the largest at the resolution
            of each member.
        fit: Done with the first step's batch, after ``prepare``.
    """

    name: str
    steps: int
    draw: Draw
    learning_rate: Callable[[int], float]
    prepare: tuple[Preparation, ...] = ()
    taught: bool = False
    adjust: Adjustment | None = None
    teacher: Architecture | None = None
    fit: Callable[[TrainState, Batch], None] | None = None


@dataclass(frozen=True, slots=True)
class Strategy:
    """The phases of a training, in order."""

    phases: tuple[Phase, ...]

    @property
    def steps(self) -> int:
        """Steps of the whole training."""
        return sum(phase.steps for phase in self.phases)

    def label(self, step: int) -> dict[str, str]:
        """Return the name of a step's phase as ``phase``; nothing where there is only one."""
        return {"phase": self.at(step)[0].name} if len(self.phases) > 1 else {}

    def ends_phase(self, step: int) -> bool:
        """Return whether a step is the last of its phase."""
        phase, position = self.at(step)
        return position == phase.steps - 1

    def at(self, step: int) -> tuple[Phase, int]:
        """Return the phase of a step and its position there, both from 0."""
        for phase in self.phases:
            if step < phase.steps:
                return phase, step
            step -= phase.steps
        raise IndexError(f"the training has {self.steps} steps")


def one_phase(
    config: TrainConfig,
    steps_per_epoch: int,
    draw: Draw,
    *,
    prepare: tuple[Preparation, ...] = (),
    taught: bool = False,
) -> Strategy:
    """Return the strategy that trains all steps alike.

    Args:
        config: The training section.
        steps_per_epoch: Whole batches in an epoch.
        draw: Chooses the members of a step.
        prepare: See `Phase`.
        taught: See `Phase`.
    """
    steps = config.epochs * steps_per_epoch
    rate = cosine(config.learning_rate, config.warmup_epochs * steps_per_epoch, steps)
    return Strategy((Phase(config.strategy, steps, draw, rate, prepare, taught),))


def cosine(
    peak: float, warmup_steps: float, steps: int, *, first: int = 0
) -> Callable[[int], float]:
    """Return `warmup_cosine` over some steps as a function of the step of the whole training.

    Args:
        peak: The highest learning rate.
        warmup_steps: Steps of the rise; rounded.
        steps: How many steps it takes.
        first: The step of the whole training that it begins with.
    """
    warmup = round(warmup_steps)
    return lambda step: warmup_cosine(
        step - first, peak=peak, warmup_steps=warmup, total_steps=steps
    )
