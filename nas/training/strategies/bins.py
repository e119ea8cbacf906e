"""Bins of a compiled cost, from which architectures are drawn uniformly, without rejection."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nas.rng import stream
from nas.training.strategies.member import Moment
from predictors import CostTable, TableError
from search_spaces.space import Population

__all__ = ["CostBins"]

_BLOCK = 512
"""Steps whose architectures are drawn at once."""


class CostBins:
    """Bins of equal width from the smallest to the largest cost of a space.

    What a window of costs is drawn from may take a hundred megabytes, so no bin keeps it: the
    architectures of hundreds of steps are drawn at once.

    Args:
        cost: A compiled cost, for example MACs.
        count: How many bins.
        draws: Architectures that one step may need of one bin.
    """

    def __init__(self, cost: CostTable, count: int, *, draws: int = 1) -> None:
        self._cost = cost
        self._draws = draws
        self._drawn: dict[int, tuple[int, int, Population]] = {}
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

    def for_step(self, bin: int, moment: Moment) -> Population:
        """Return what a step gets of one filled bin, int16 [draws, d], all independent."""
        block, position = divmod(moment.step, _BLOCK)
        known = self._drawn.get(bin)
        if known is None or known[:2] != (moment.seed, block):
            rng = stream(moment.seed, "bins", bin, block)
            known = (moment.seed, block, self.sample(bin, _BLOCK * self._draws, rng))
            self._drawn[bin] = known
        return known[2][position * self._draws : (position + 1) * self._draws]

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
