"""Single-path sampling (Guo et al. 2020, SPOS, arXiv:1904.00420, section 3.2).

Either every option of every choice is equally likely, as in the paper; or, as in the paper's
published program, a bin of the cost is drawn first and then an architecture in it, so that
small and large networks are trained as often as the many of middle size.
"""

from __future__ import annotations

from nas.config import TrainConfig
from nas.training.losses import hard_loss
from nas.training.strategies.bins import CostBins
from nas.training.strategies.member import Member, Moment
from nas.training.strategies.phase import Strategy, one_phase
from predictors import Macs, compile_cost
from search_spaces import SearchSpace

__all__ = ["single_path"]


def single_path(space: SearchSpace, config: TrainConfig, steps_per_epoch: int) -> Strategy:
    """Return the strategy that trains one path a step."""
    loss = hard_loss(config)
    bins = None
    if config.cost_bins is not None:
        bins = CostBins(compile_cost(space, Macs()), config.cost_bins)

    alone = space.size == 1

    def draw(moment: Moment) -> tuple[Member, ...]:
        rng = moment.rng()
        if bins is None:
            row = space.sample(1, rng)[0]
        else:
            row = bins.for_step(int(rng.choice(bins.filled)), moment)[0]
        return (Member("path", space.decode(row), loss, steady=alone),)

    return one_phase(config, steps_per_epoch, draw)
