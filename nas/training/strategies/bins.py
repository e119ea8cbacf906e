"""Bins of a compiled cost, from which architectures are drawn uniformly, without rejection."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from predictors import CostTable, TableError
from search_spaces.space import Population

__all__ = ["CostBins"]


class CostBins:
    """Bins of equal width from the smallest to the largest cost of a space.

    Args:
        cost: A compiled cost, for example MACs.
        count: How many bins.
    """

    def __init__(self, cost: CostTable, count: int) -> None:
        self._cost = cost
        self.edges = np.linspace(cost.minimum().value, cost.maximum().value, count + 1)

    @cached_property
    def filled(self) -> NDArray[np.intp]:
        """The bins that hold an architecture, ascending."""
        return np.array([bin for bin in range(self._last + 1) if self._is_filled(bin)])

    def of(self, costs: NDArray[np.float64]) -> NDArray[np.intp]:
        """Return the bin of every cost; the largest belongs to the last."""
        return np.clip(np.searchsorted(self.edges, costs, side="right") - 1, 0, self._last)

    def sample(self, bin: int, n: int, rng: np.random.Generator) -> Population:
        """Draw architectures of one filled bin uniformly, int16 [n, d]."""
        low, high = self._window(bin)
        return self._cost.sample(n, low=low, high=high, rng=rng)

    @property
    def _last(self) -> int:
        return len(self.edges) - 2

    def _window(self, bin: int) -> tuple[float, float]:
        """Return the bin's smallest and largest cost; its upper edge belongs to the next."""
        high = self.edges[bin + 1]
        return float(self.edges[bin]), float(high if bin == self._last else np.nextafter(high, 0))

    def _is_filled(self, bin: int) -> bool:
        try:
            self.sample(bin, 1, np.random.default_rng(0))
        except TableError:
            return False
        return True
