"""Losses as plain functions of a member's logits and of what it is to learn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss

from nas.config import TrainConfig
from nas.errors import TrainingError

__all__ = [
    "SOFT_LOSSES",
    "Loss",
    "Targets",
    "adaptive_alpha_loss",
    "alpha_divergence",
    "hard_loss",
    "inner_loss",
    "label_and_soft_loss",
    "label_loss",
    "soft_label_loss",
]


@dataclass(frozen=True, slots=True)
class Targets:
    """What a batch teaches.

    Attributes:
        labels: int64 [n], or class probabilities float [n, classes] of mixed images.
        teacher: Detached logits [n, classes] of the teacher on the same batch: of the step's
            first member, or of a frozen network; None for a first member without one.
    """

    labels: Tensor
    teacher: Tensor | None = None


Loss: TypeAlias = Callable[[Tensor, Targets], Tensor]
"""From logits [n, classes] and targets to the mean loss of the batch."""


def _precise(tensor: Tensor) -> Tensor:
    """Return numbers of at least 32 bits: those of mixed precision have too few for a loss."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def label_loss(smoothing: float = 0.0) -> Loss:
    """Return the cross entropy with the labels, smoothed (Szegedy et al. 2016, section 7)."""
    return partial(_label_loss, smoothing=smoothing)


def _label_loss(logits: Tensor, targets: Targets, *, smoothing: float) -> Tensor:
    return cross_entropy(_precise(logits), targets.labels, label_smoothing=smoothing)


def soft_label_loss(logits: Tensor, targets: Targets) -> Tensor:
    """Return the cross entropy with the teacher's class probabilities.

    In-place distillation (Yu and Huang 2019, arXiv:1903.05134, section 3.3); its gradient is
    that of the Kullback-Leibler divergence.
    """
    assert targets.teacher is not None, "the first member of a step has no teacher"
    return cross_entropy(_precise(logits), _precise(targets.teacher).softmax(dim=1))


def label_and_soft_loss(smoothing: float, weight: float) -> Loss:
    """Return the cross entropy with the labels plus `weight` times that with the teacher.

    Knowledge distillation as once-for-all trains its smaller networks (Cai et al. 2020,
    arXiv:1908.09791, section 4).
    """
    return lambda logits, targets: (
        _label_loss(logits, targets, smoothing=smoothing)
        + weight * soft_label_loss(logits, targets)
    )


def hard_loss(config: TrainConfig) -> Loss:
    """Return what a member learns that no other member teaches.

    The labels; and a stored teacher's answers where there is one.
    """
    if config.stored_teacher is None:
        return label_loss(config.label_smoothing)
    return label_and_soft_loss(config.label_smoothing, config.stored_teacher.weight)


def inner_loss(student: Mapping[str, Tensor], teacher: Mapping[str, Tensor]) -> Tensor:
    """Return the mean over blocks of the mean squared difference of what they yield.

    Inner knowledge distillation (Aflalo et al. 2020, arXiv:2002.08258), block by
    block where both networks have the block. The authors map a narrower student's features
    linearly; in a supernet these are the leading ones of the teacher's, and are compared so.

    Args:
        student: By block, maps [n, c, h, w] or tokens [n, tokens, c].
        teacher: The same of a network at least as wide; detached.

    Raises:
        TrainingError: No block of both networks yields features of a size that goes together.
    """
    losses = []
    for name, features in student.items():
        expected = teacher.get(name)
        axis = 1 if features.dim() == 4 else -1
        if expected is None or features.dim() < 3 or features.shape[axis] > expected.shape[axis]:
            continue
        expected = expected.narrow(axis, 0, features.shape[axis])
        if expected.shape == features.shape:
            losses.append(mse_loss(_precise(features), _precise(expected)))
    if not losses:
        raise TrainingError(
            f"train.inner_weight has nothing to compare: the subnet yields {_shapes(student)}, "
            f"its teacher {_shapes(teacher)}. Take a teacher that is as wide at least and has "
            "the same slots, resolution and tokens, or name other train.inner_slots."
        )
    return torch.stack(losses).mean()


def _shapes(features: Mapping[str, Tensor]) -> str:
    shapes = [f"{name} {list(tensor.shape[1:])}" for name, tensor in features.items()]
    return ", ".join(shapes) or "nothing"


def alpha_divergence(
    student: Tensor, teacher: Tensor, alpha: float, *, clip: float = 5.0
) -> tuple[Tensor, Tensor]:
    """Return AlphaNet's divergence of every image and a term that has its gradient, both [n].

    With p the teacher's and q the student's class probabilities and r = p / q the divergence is
    the sum over classes of q f(r), f(r) = (r^alpha - 1) / (alpha (alpha - 1)). Its gradient is
    that of -sum q rho(r) log q, rho(r) = r f'(r) - f(r), where q rho(r) is a constant (Wang et
    al. 2021, arXiv:2102.07954, sections 3.2 and 3.3). For alpha = 1 it is the Kullback-Leibler
    divergence of q from p. The power r^alpha is clipped otherwise, as it has no bound.

    Args:
        student: Logits [n, classes].
        teacher: Logits [n, classes], detached.
        alpha: Not 0.
        clip: The largest power.
    """
    log_q = _precise(student).log_softmax(dim=1)
    q, log_p = log_q.detach().exp(), _precise(teacher).log_softmax(dim=1)
    log_ratio = log_p - log_q.detach()
    if alpha == 1.0:  # q r is p; r itself may be beyond any number
        p = log_p.exp()
        return (p * log_ratio).sum(dim=1), -(p * log_q).sum(dim=1)
    power = (alpha * log_ratio).exp().clamp(max=clip)
    scale = 1.0 / (alpha * (alpha - 1.0))
    rho = power / alpha + scale
    return (q * (power - 1.0) * scale).sum(dim=1), -(q * rho * log_q).sum(dim=1)


def adaptive_alpha_loss(logits: Tensor, targets: Targets) -> Tensor:
    """Return for every image the larger of the divergences with alpha = -1 and 1, averaged.

    A student that spreads its probabilities too far and one that spreads them too little are
    punished alike (Wang et al. 2021, AlphaNet, arXiv:2102.07954, section 3.3).
    """
    assert targets.teacher is not None, "the first member of a step has no teacher"
    low, low_term = alpha_divergence(logits, targets.teacher, -1.0)
    high, high_term = alpha_divergence(logits, targets.teacher, 1.0)
    term = torch.where(low > high, low_term, high_term).mean()
    value = torch.maximum(low, high).mean()
    return value + (term - term.detach())


SOFT_LOSSES: Mapping[str, Loss] = {
    "cross_entropy": soft_label_loss,
    "alpha_divergence": adaptive_alpha_loss,
}
"""What compares a subnet with its teacher, by the name that a configuration gives."""
