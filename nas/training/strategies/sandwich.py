"""The sandwich rule with in-place distillation (Yu et al. 2020, BigNAS, arXiv:2003.11142).

The rule and the distillation are those of Yu and Huang 2019 (arXiv:1903.05134, sections 3.2
and 3.3): the largest subnet learns the labels; the smallest and some random ones learn the
largest's soft labels of the same batch.
"""

from __future__ import annotations

import numpy as np

from nas.config import TrainConfig
from nas.training.losses import label_loss, soft_label_loss
from nas.training.strategies.member import Member, Strategy
from predictors import Macs, compile_cost
from search_spaces import SearchSpace

__all__ = ["sandwich"]


def sandwich(space: SearchSpace, config: TrainConfig) -> Strategy:
    """Return the strategy; largest and smallest are the exact extremes of MACs."""
    macs = compile_cost(space, Macs())
    largest = Member("largest", macs.maximum().architecture, label_loss(config.label_smoothing))
    smallest = Member("smallest", macs.minimum().architecture, soft_label_loss)

    def members(rng: np.random.Generator) -> tuple[Member, ...]:
        drawn = space.decode_all(space.sample(config.random_subnets, rng))
        random = (Member("random", architecture, soft_label_loss) for architecture in drawn)
        return (largest, smallest, *random)

    return members
