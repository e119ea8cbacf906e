"""Single-path uniform sampling (Guo et al. 2020, SPOS, arXiv:1904.00420, section 3.2)."""

from __future__ import annotations

import numpy as np

from nas.config import TrainConfig
from nas.training.losses import label_loss
from nas.training.strategies.member import Member, Strategy
from search_spaces import SearchSpace

__all__ = ["single_path"]


def single_path(space: SearchSpace, config: TrainConfig) -> Strategy:
    """Return the strategy that trains one path a step, every option of every choice uniform."""
    loss = label_loss(config.label_smoothing)

    def members(rng: np.random.Generator) -> tuple[Member, ...]:
        return (Member("path", space.decode(space.sample(1, rng)[0]), loss),)

    return members
