from __future__ import annotations

import math

import pytest
import torch
from torch.testing import assert_close

from nas.training.losses import (
    Targets,
    adaptive_alpha_loss,
    alpha_divergence,
    inner_loss,
    label_and_soft_loss,
    label_loss,
    soft_label_loss,
)


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


P = torch.tensor([[0.7, 0.2, 0.1]], dtype=torch.float64)
Q = torch.tensor([[0.2, 0.2, 0.6]], dtype=torch.float64)


def test_alpha_divergences_by_hand() -> None:
    student, teacher = Q.log().float(), P.log().float()
    kl = 0.7 * math.log(3.5) + 0.2 * math.log(1.0) + 0.1 * math.log(1 / 6)
    assert float(alpha_divergence(student, teacher, 1.0)[0]) == pytest.approx(kl, rel=1e-5)
    # alpha = -1: q (q / p - 1) / 2, with q / p = 2/7, 1, 6, the last clipped at 5.
    clipped = (0.2 * (2 / 7 - 1) + 0.2 * 0 + 0.6 * (5 - 1)) / 2
    assert float(alpha_divergence(student, teacher, -1.0)[0]) == pytest.approx(clipped, rel=1e-5)
    whole = (0.2 * (2 / 7 - 1) + 0.6 * (6 - 1)) / 2
    found = alpha_divergence(student, teacher, -1.0, clip=1e9)[0]
    assert float(found) == pytest.approx(whole, rel=1e-5)


@pytest.mark.parametrize("alpha", [-1.0, -0.5, 0.5, 1.0, 2.0])
def test_the_gradient_of_an_alpha_divergence_is_that_of_its_value(alpha: float) -> None:
    student = Q.log().clone().requires_grad_()
    alpha_divergence(student, P.log(), alpha, clip=1e9)[1].sum().backward()
    by_hand = Q.log().clone().requires_grad_()
    q = by_hand.softmax(1)
    ratio = P / q
    f = ratio * ratio.log() if alpha == 1.0 else (ratio**alpha - 1) / (alpha * (alpha - 1))
    (q * f).sum().backward()
    assert student.grad is not None
    assert by_hand.grad is not None
    torch.testing.assert_close(student.grad, by_hand.grad, rtol=1e-4, atol=1e-6)


def test_the_adaptive_loss_takes_the_larger_divergence_of_every_image() -> None:
    shy = torch.tensor([[0.02, 0.49, 0.49]], dtype=torch.float64)
    students, teachers = torch.cat([Q, shy]).log().float(), torch.cat([P, P]).log().float()
    targets = Targets(torch.tensor([0, 0]), teachers)
    both = torch.stack([alpha_divergence(students, teachers, alpha)[0] for alpha in (-1.0, 1.0)])
    larger = both.max(dim=0).values
    assert both.argmax(dim=0).tolist() == [0, 1]
    assert float(adaptive_alpha_loss(students, targets)) == pytest.approx(float(larger.mean()))


def test_probabilities_that_underflow_leave_the_loss_finite() -> None:
    student = torch.tensor([[0.0, -300.0]], requires_grad=True)
    loss = adaptive_alpha_loss(student, Targets(torch.tensor([1]), torch.tensor([[-300.0, 0.0]])))
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.isfinite()
    assert student.grad is not None
    assert student.grad.isfinite().all()


def test_labels_and_soft_labels_add_up() -> None:
    logits, targets = torch.randn(4, 3), Targets(torch.tensor([0, 1, 2, 0]), torch.randn(4, 3))
    both = label_and_soft_loss(0.1, 0.5)(logits, targets)
    apart = label_loss(0.1)(logits, targets) + 0.5 * soft_label_loss(logits, targets)
    assert float(both) == pytest.approx(float(apart))


def test_inner_loss_compares_blocks_by_their_leading_features() -> None:
    teacher = {
        "map": torch.arange(24.0).reshape(1, 4, 2, 3),
        "tokens": torch.ones(2, 5, 6),
        "logits": torch.zeros(1, 4),
        "deeper": torch.zeros(1, 1, 2, 2),
    }
    student = {
        "map": torch.arange(12.0).reshape(1, 2, 2, 3) + 2,
        "tokens": torch.zeros(2, 5, 3),
        "logits": torch.ones(1, 4),
    }
    assert float(inner_loss(student, teacher)) == pytest.approx((4 + 1) / 2)
    with_itself = {"map": teacher["map"][:, :2]}
    assert float(inner_loss(with_itself, teacher)) == 0.0
