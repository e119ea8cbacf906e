"""The largest network of a space: the one with most MACs, by which shares are said."""

from __future__ import annotations

from functools import lru_cache

from predictors.analytic import Macs
from predictors.cost import CostTable, compile_cost
from search_spaces import Architecture, SearchSpace

__all__ = ["largest", "largest_cost"]


@lru_cache(maxsize=8)
def _macs(space: SearchSpace) -> CostTable:
    return compile_cost(space, Macs())


def largest(space: SearchSpace) -> Architecture:
    """Return the architecture with most MACs; of several, any one."""
    return _macs(space).maximum().architecture


def largest_cost(cost: CostTable) -> float:
    """Return what the largest network costs, of which ``60%`` is a share.

    Where several networks have most MACs, as in spaces whose choices change what private inference
    costs and nothing else, the dearest network counts if it is one of them.
    """
    macs, dearest = _macs(cost.space), cost.maximum()
    if macs.of(dearest.architecture) == macs.maximum().value:
        return dearest.value
    return cost.of(macs.maximum().architecture)
