"""Best-up and worst-up sampling (Wang et al. 2021, AttentiveNAS, arXiv:2011.09011, section 3).

A sandwich whose random subnets are chosen: a bin of MACs is drawn as often as uniform draws of
the choices fall into it, some candidates are drawn in the bin, and the one with the lowest
loss (best-up) or the highest (worst-up) on the step's batch is trained. So every cost is
attended to where its Pareto front is being pushed up, or lags behind. The paper draws within a
bin from estimated probabilities of options; here architectures of a bin are equally likely.
"""

from __future__ import annotations

import numpy as np

from nas.config import TrainConfig
from nas.training.strategies.bins import CostBins
from nas.training.strategies.member import Member, Moment
from nas.training.strategies.phase import Strategy, one_phase
from nas.training.strategies.sandwich import layers_of_sandwich
from predictors import Macs, compile_cost
from search_spaces import Architecture, SearchSpace

__all__ = ["attentive"]


def attentive(space: SearchSpace, config: TrainConfig, steps_per_epoch: int) -> Strategy:
    """Return the strategy."""
    assert config.cost_bins is not None, "the configuration was checked"
    macs = compile_cost(space, Macs())
    count = config.candidates
    bins = CostBins(macs, config.cost_bins, draws=count * config.random_subnets)
    pick = min if config.prefer == "best" else max

    def choose(moment: Moment, rng: np.random.Generator, subnet: int) -> Architecture:
        target = int(bins.of(macs(space.sample(1, rng)))[0])
        rows = bins.for_step(target, moment)[subnet * count : (subnet + 1) * count]
        return pick(space.decode_all(rows), key=moment.label_loss)

    def draw(moment: Moment) -> tuple[Member, ...]:
        rng = moment.rng()
        chosen = [choose(moment, rng, subnet) for subnet in range(config.random_subnets)]
        return layers_of_sandwich(macs, config, chosen)

    return one_phase(config, steps_per_epoch, draw)
