"""Random search: the baseline that every other searcher has to beat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nas.search.history import History, Proposals
from nas.search.sampling import draw_feasible

__all__ = ["RandomSearch"]


@dataclass(frozen=True, slots=True)
class RandomSearch:
    """Uniform draws within the limits, none twice; see `sampling.draw_feasible`."""

    def propose(
        self, history: History, count: int, *, round: int, rng: np.random.Generator
    ) -> Proposals:
        """Return random architectures; see `Searcher.propose`."""
        return draw_feasible(history, count, rng=rng)
