"""The sandwich rule with in-place distillation (Yu et al. 2020, BigNAS, arXiv:2003.11142).

The rule and the distillation are those of Yu and Huang 2019 (arXiv:1903.05134, sections 3.2
and 3.3): the largest subnet learns the labels; the smallest and some random ones learn the
largest's soft labels of the same batch. Only the largest is regularised (BigNAS, section 3.1).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from nas.config import TrainConfig
from nas.training.losses import SOFT_LOSSES, hard_loss
from nas.training.strategies.member import Member, Moment
from nas.training.strategies.phase import Strategy, one_phase
from predictors import CostTable, Macs, compile_cost
from search_spaces import Architecture, SearchSpace

__all__ = ["layers_of_sandwich", "sandwich"]


def sandwich(space: SearchSpace, config: TrainConfig, steps_per_epoch: int) -> Strategy:
    """Return the strategy; largest and smallest are the exact extremes of MACs."""
    macs = compile_cost(space, Macs())

    def draw(moment: Moment) -> tuple[Member, ...]:
        rows = space.sample(config.random_subnets, moment.rng())
        return layers_of_sandwich(macs, config, space.decode_all(rows))

    return one_phase(config, steps_per_epoch, draw)


def layers_of_sandwich(
    macs: CostTable, config: TrainConfig, random: Iterable[Architecture]
) -> tuple[Member, ...]:
    """Return largest, smallest and the given subnets with what each of them learns."""
    soft = SOFT_LOSSES[config.soft_loss]
    smaller = partial(Member, loss=soft, regularised=config.regularise == "all")
    return (
        Member("largest", macs.maximum().architecture, hard_loss(config), steady=True),
        smaller("smallest", macs.minimum().architecture, steady=True),
        *(smaller("random", architecture) for architecture in random),
    )
