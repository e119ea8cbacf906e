"""Learning rates as pure functions of the step: nothing to save, nothing to resume."""

from __future__ import annotations

import math

__all__ = ["warmup_cosine"]


def warmup_cosine(step: int, *, peak: float, warmup_steps: int, total_steps: int) -> float:
    """Return the learning rate of one step.

    It rises linearly to `peak`, which the last warm-up step has, and falls along half a cosine
    towards zero after the last step (Loshchilov and Hutter 2017, arXiv:1608.03983).

    Args:
        step: From 0 to ``total_steps - 1``.
        peak: The highest learning rate.
        warmup_steps: Steps of the rise, at most `total_steps`.
        total_steps: Steps of the whole training.
    """
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    done = (step - warmup_steps) / (total_steps - warmup_steps)
    return peak * 0.5 * (1.0 + math.cos(math.pi * done))
