"""AutoReP (Peng et al. 2023, arXiv:2308.10134): which ReLUs become polynomials.

Every element has an indicator m. In the forward pass it is 1 or 0, with hysteresis: a 1 becomes
0 only below -t, a 0 becomes 1 only above t, so that noise flips little. In the backward pass its
gradient is that of the gate times softplus(m). The loss has a penalty on the share of kept
ReLUs above the budget. What is not kept is a parabola of each channel, fitted in closed form to
the distribution of its input (`nearest_parabola`) and trained on; in a space without parabolas,
such as `mpc_vit`, it is left as it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus

from nas.config import TrainConfig
from nas.rng import torch_stream
from nas.training.strategies.costs import Costs
from nas.training.strategies.phase import Strategy
from nas.training.strategies.relu_budget import Masks, sites_of, three_phases
from search_spaces import SearchSpace

__all__ = ["autorep", "indicator", "with_hysteresis"]


def autorep(
    space: SearchSpace, config: TrainConfig, steps_per_epoch: int, *, costs: Costs
) -> Strategy:
    """Return the strategy; for its phases see `three_phases`.

    Raises:
        ConfigError: The space is not one of few ReLUs, or lacks an option that is needed.
    """
    relus, sites = config.relus, sites_of(space)
    start = {
        site.slot: torch.rand(site.shape, generator=torch_stream(0, "autorep", number))
        for number, site in enumerate(sites)
    }
    total = sum(math.prod(site.shape) * site.width for site in sites)

    def gates(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {s: indicator(state[f"alpha/{s}"], state[f"kept/{s}"]) for s in start}

    def penalty(gates: Mapping[str, Tensor]) -> Tensor:
        sums = [gates[site.slot].sum() * site.width for site in sites]
        share = torch.stack(sums).sum() / total
        return relu(share - relus.budget / total)

    def settle(state: dict[str, Tensor]) -> None:
        for s in start:
            m, kept = state[f"alpha/{s}"], state[f"kept/{s}"]
            kept.copy_(with_hysteresis(m, kept, width=relus.hysteresis))

    everything = {f"kept/{s}": torch.ones(m.shape, dtype=torch.bool) for s, m in start.items()}
    masks = Masks("polynomial", start, gates, penalty, settle, everything)
    return three_phases(space, config, steps_per_epoch, masks, costs)


def indicator(m: Tensor, kept: Tensor) -> Tensor:
    """Return 1 where an element is kept and 0 elsewhere, with the gradient softplus(m) by m."""
    slope = softplus(m).detach() * m
    return kept.to(m.dtype) + (slope - slope.detach())


def with_hysteresis(m: Tensor, kept: Tensor, *, width: float) -> Tensor:
    """Return which elements are kept, given which were."""
    return torch.where(kept, m > -width, m > width)
