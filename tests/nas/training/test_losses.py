from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from nas.training.losses import Targets, label_loss, soft_label_loss


@pytest.fixture
def logits() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(7, 5, generator=generator, requires_grad=True)


LABELS = torch.tensor([0, 4, 2, 2, 1, 3, 0])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_label_loss_is_the_smoothed_cross_entropy(logits: torch.Tensor, smoothing: float) -> None:
    target = torch.full((7, 5), smoothing / 5).scatter(1, LABELS[:, None], 1 - smoothing * 4 / 5)
    expected = -(target * logits.log_softmax(1)).sum(1).mean()
    assert_close(label_loss(smoothing)(logits, Targets(LABELS)), expected)


def test_gradient_of_soft_labels_is_the_difference_of_probabilities(logits: torch.Tensor) -> None:
    teacher = torch.randn(7, 5, generator=torch.Generator().manual_seed(1))
    soft_label_loss(logits, Targets(LABELS, teacher)).backward()
    assert_close(logits.grad, (logits.detach().softmax(1) - teacher.softmax(1)) / 7)


def test_soft_labels_equal_to_the_student_have_no_gradient(logits: torch.Tensor) -> None:
    soft_label_loss(logits, Targets(LABELS, logits.detach())).backward()
    assert_close(logits.grad, torch.zeros(7, 5))


def test_losses_of_half_precision_logits_are_computed_in_float32(logits: torch.Tensor) -> None:
    half = logits.detach().bfloat16()
    assert label_loss()(half, Targets(LABELS)).dtype == torch.float32
    assert soft_label_loss(half, Targets(LABELS, half)).dtype == torch.float32
