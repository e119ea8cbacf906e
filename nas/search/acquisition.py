"""Which candidates to evaluate next: a batch by expected improvement.

Candidates are chosen one after the other, each as if those before it had been evaluated and were
as predicted (Kriging believer; Ginsbourger et al. 2010, section 4.1), so that a batch is not ten
times the same guess.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from nas.search.surrogate import Floats, Prediction

__all__ = ["choose_batch", "log_improvement"]

_FAR = -6.0  # standard deviations below the best; from there on the asymptote is used
_LIKELY = 500  # candidates that are compared again after each choice


def choose_batch(
    predicted: Prediction, allowed: NDArray[np.intp], best: float, count: int
) -> NDArray[np.intp]:
    """Return positions of up to ``count`` different candidates, most promising first.

    What is believed only makes predictions surer and so improvements less likely, hence
    candidates far behind at first are not compared again.

    Args:
        predicted: Of all candidates.
        allowed: Positions of those that may be chosen.
        best: What is to be improved upon.
        count: How many.
    """
    promise = log_improvement(predicted.mean[allowed], predicted.spread[allowed], best)
    likely = allowed[np.argsort(-promise, kind="stable")[: count + _LIKELY]]
    predicted = predicted.take(likely)
    chosen: list[int] = []
    while len(chosen) < min(count, len(likely)):
        promise = log_improvement(predicted.mean, predicted.spread, best)
        promise[chosen] = -np.inf
        chosen.append(int(promise.argmax()))
        predicted = predicted.after(chosen[-1])
    return likely[chosen]


def log_improvement(mean: Floats, spread: Floats, best: float) -> Floats:
    """Return the logarithm of the expected improvement upon the best, float64 [n].

    Jones et al. 1998, equation 15. Far below the best, where the improvement vanishes, its
    asymptote keeps the order.

    Args:
        mean: Float64 [n]; more is better.
        spread: Standard deviation, float64 [n], above zero.
        best: What is to be improved upon.
    """
    z = (mean - best) / spread
    near = np.maximum(z, _FAR)
    density = np.exp(-0.5 * near**2) / math.sqrt(2.0 * math.pi)
    below = np.array([0.5 * math.erfc(-x / math.sqrt(2.0)) for x in near.tolist()])
    far = np.minimum(z, _FAR)
    tail = -0.5 * far**2 - np.log(math.sqrt(2.0 * math.pi) * far**2)
    return np.asarray(np.log(spread) + np.where(z > _FAR, np.log(density + near * below), tail))
