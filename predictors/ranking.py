"""Rank statistics: how well one list of numbers orders another."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["kendall_tau_b", "ranks", "spearman"]


def ranks(values: ArrayLike) -> NDArray[np.float64]:
    """Return ranks from 1 to n, float64 [n]; equal values share the mean of their ranks."""
    _, inverse, counts = np.unique(
        np.asarray(values, dtype=np.float64), return_inverse=True, return_counts=True
    )
    last = np.cumsum(counts)
    mean: NDArray[np.float64] = last - (counts - 1) / 2
    return mean[inverse]


def spearman(first: ArrayLike, second: ArrayLike) -> float:
    """Return Spearman's rank correlation: Pearson's correlation of the ranks.

    Args:
        first: Numbers [n].
        second: Numbers [n].

    Returns:
        From -1 to 1; nan when a list has fewer than two different values.
    """
    a, b = ranks(first), ranks(second)
    middle = (len(a) + 1) / 2
    a, b = a - middle, b - middle
    norm = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / norm if norm else float("nan")


def kendall_tau_b(first: ArrayLike, second: ArrayLike) -> float:
    """Return Kendall's tau-b (Kendall 1945), which corrects for ties, in O(n^2) time.

    Args:
        first: Numbers [n].
        second: Numbers [n].

    Returns:
        From -1 to 1; nan when a list has fewer than two different values.
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    concordance, a_untied, b_untied = 0.0, 0, 0
    for i in range(1, len(a)):
        sign_a, sign_b = np.sign(a[i] - a[:i]), np.sign(b[i] - b[:i])
        concordance += float(sign_a @ sign_b)
        a_untied += int(np.count_nonzero(sign_a))
        b_untied += int(np.count_nonzero(sign_b))
    norm = float(np.sqrt(float(a_untied) * float(b_untied)))
    return concordance / norm if norm else float("nan")
