"""The protocol of all searchers: ask for a population, tell by the history."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from nas.search.history import History, Proposals

__all__ = ["Searcher"]


class Searcher(Protocol):
    """Proposes what to evaluate next.

    A searcher must be a pure function of its options and the arguments of `propose`: asked
    again after a restart it proposes the same. It may keep what it derived from the history
    between calls, to save time, but nothing that the history does not imply.
    """

    def propose(
        self, history: History, count: int, *, round: int, rng: np.random.Generator
    ) -> Proposals:
        """Return up to ``count`` architectures to evaluate.

        Args:
            history: All finished rounds.
            count: How many are wanted.
            round: Number of this round, from 0.
            rng: The only source of randomness, new for each round.

        Returns:
            Feasible architectures, different from each other and from all of ``history``;
            fewer than asked, or none, when no more are found.
        """
