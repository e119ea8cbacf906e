"""Compiled costs that a strategy learns or chooses by, by the name in a configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from nas.errors import ConfigError, nearest
from predictors import CostTable, Macs, Params, compile_cost
from search_spaces import SearchSpace

__all__ = ["Costs", "costs_of"]

Costs: TypeAlias = Callable[[str], CostTable]
"""From a metric to its cost; raises a ConfigError where there is none."""


def costs_of(space: SearchSpace, known: Mapping[str, CostTable] | None = None) -> Costs:
    """Return the costs of a run: those that are known, and what is counted without any.

    Args:
        space: The space.
        known: Compiled costs by metric, for example those of the run's problem.
    """
    counted = {model.metric: model for model in (Macs(), Params())}

    def cost(metric: str) -> CostTable:
        if known is not None and metric in known:
            return known[metric]
        if metric not in counted:
            raise ConfigError(
                f"The section train names the cost {metric!r}, which this run of {space.name!r} "
                f"does not know. {nearest(metric, [*(known or {}), *counted])}"
            )
        return compile_cost(space, counted[metric])

    return cost
