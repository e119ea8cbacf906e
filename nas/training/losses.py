"""Losses as plain functions of a member's logits and of what it is to learn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from torch import Tensor
from torch.nn.functional import cross_entropy

__all__ = ["Loss", "Targets", "label_loss", "soft_label_loss"]


@dataclass(frozen=True, slots=True)
class Targets:
    """What a batch teaches.

    Attributes:
        labels: int64 [n].
        teacher: Detached logits [n, classes] of the step's first member on the same batch;
            None for the first member itself.
    """

    labels: Tensor
    teacher: Tensor | None = None


Loss: TypeAlias = Callable[[Tensor, Targets], Tensor]
"""From logits [n, classes] and targets to the mean loss of the batch."""


def label_loss(smoothing: float = 0.0) -> Loss:
    """Return the cross entropy with the labels, smoothed (Szegedy et al. 2016, section 7)."""
    return partial(_label_loss, smoothing=smoothing)


def _label_loss(logits: Tensor, targets: Targets, *, smoothing: float) -> Tensor:
    return cross_entropy(logits.float(), targets.labels, label_smoothing=smoothing)


def soft_label_loss(logits: Tensor, targets: Targets) -> Tensor:
    """Return the cross entropy with the teacher's class probabilities.

    In-place distillation (Yu and Huang 2019, arXiv:1903.05134, section 3.3); its gradient is
    that of the Kullback-Leibler divergence.
    """
    assert targets.teacher is not None, "the first member of a step has no teacher"
    return cross_entropy(logits.float(), targets.teacher.float().softmax(dim=1))
