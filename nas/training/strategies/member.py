"""What a strategy returns: the members of one training step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from nas.training.losses import Loss
from search_spaces import Architecture

__all__ = ["Member", "Strategy"]


@dataclass(frozen=True, slots=True)
class Member:
    """One subnet of a training step.

    Attributes:
        role: What it is there for, for example ``largest``; metrics are kept for each role.
        architecture: One option for each choice.
        loss: What it learns. The first member of a step is the teacher of the others.
    """

    role: str
    architecture: Architecture
    loss: Loss


Strategy: TypeAlias = Callable[[np.random.Generator], tuple[Member, ...]]
"""From the random stream of a step to its members, whose gradients are summed."""
