"""Selective network linearisation (Cho et al. 2022, SNL, arXiv:2202.02340): the baseline.

Every element puts out alpha times its ReLU plus 1 - alpha times its input; alpha is trained with
the weights under a lasso, and the largest alphas within the budget keep their ReLU. In `mpc_vit`
an alpha is that of a token and its GELU: the beta of MPCViT+. The published
program raises the lasso's weight until few enough alphas exceed a threshold; here the weight
stays and the budget alone decides, so the number of steps is known beforehand.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from nas.config import TrainConfig
from nas.training.strategies.costs import Costs
from nas.training.strategies.phase import Strategy
from nas.training.strategies.relu_budget import Masks, sites_of, three_phases
from search_spaces import SearchSpace

__all__ = ["snl"]


def snl(
    space: SearchSpace, config: TrainConfig, steps_per_epoch: int, *, costs: Costs
) -> Strategy:
    """Return the strategy; for its phases see `three_phases`.

    Raises:
        ConfigError: The space is not one of few ReLUs, or lacks an option that is needed.
    """
    sites = sites_of(space)
    start = {site.slot: torch.ones(site.shape) for site in sites}
    total = sum(math.prod(site.shape) * site.width for site in sites)

    def gates(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {slot: state[f"alpha/{slot}"] for slot in start}

    def lasso(gates: Mapping[str, Tensor]) -> Tensor:
        sums = [gates[site.slot].abs().sum() * site.width for site in sites]
        return torch.stack(sums).sum() / total

    def settle(state: dict[str, Tensor]) -> None:
        for slot in start:
            state[f"alpha/{slot}"].clamp_(0.0, 1.0)

    masks = Masks("identity", start, gates, lasso, settle)
    return three_phases(space, config, steps_per_epoch, masks, costs)
