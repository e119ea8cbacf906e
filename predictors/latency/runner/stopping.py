"""When enough rounds are measured."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import numpy as np

from predictors.latency.runner.options import LutOptions
from predictors.latency.runner.timing import Round, corrected_samples

__all__ = ["StoppingRule", "confidence_of"]

_FEWEST_ROUNDS, _MOST_ROUNDS = 10, 60
_FEWEST_ROUNDS_IN_TIME = 3
_HALF_WIDTH = 1.98
"""Half-width of a quartile's 95 % interval in quartile ranges over sqrt(n), normal samples."""


def confidence_of(rounds: Sequence[Round]) -> float:
    """Return the relative half-width of the latency's 95 % interval, median over networks."""
    low, median, high = np.quantile(corrected_samples(rounds), (0.25, 0.5, 0.75), axis=0)
    return float(np.median(_HALF_WIDTH * (high - low) / median / math.sqrt(len(rounds))))


class StoppingRule:
    """Tells when enough rounds are measured; the clock starts when it is made.

    Args:
        options: `LutOptions.rounds`, `confidence` and `max_seconds` decide.
        share: Of ``max_seconds`` that may be used.
    """

    def __init__(self, options: LutOptions, *, share: float = 1.0) -> None:
        self._options = options
        limit = options.max_seconds
        self._deadline = math.inf if limit is None else time.monotonic() + share * limit

    def enough(self, rounds: Sequence[Round]) -> bool:
        """Return whether to stop after these rounds."""
        done = len(rounds)
        if done >= _FEWEST_ROUNDS_IN_TIME and time.monotonic() > self._deadline:
            return True
        if self._options.rounds is not None:
            return done >= self._options.rounds
        if done < _FEWEST_ROUNDS:
            return False
        return done >= _MOST_ROUNDS or confidence_of(rounds) <= self._options.confidence

    def expected(self, rounds: Sequence[Round]) -> int:
        """Return about how many rounds it will take in all."""
        if self._options.rounds is not None:
            return max(self._options.rounds, len(rounds))
        if len(rounds) < _FEWEST_ROUNDS_IN_TIME:
            return 2 * _FEWEST_ROUNDS
        needed = len(rounds) * (confidence_of(rounds) / self._options.confidence) ** 2
        return max(len(rounds), min(_MOST_ROUNDS, max(_FEWEST_ROUNDS, math.ceil(needed))))
