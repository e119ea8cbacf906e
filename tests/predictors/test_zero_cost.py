"""Zero-cost scores by hand on tiny networks."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from predictors import PredictorError
from predictors.zero_cost import deepmad_entropy, naswot, prenas, synflow
from search_spaces import SpaceBuilder
from search_spaces.blocks import Conv


def linear(*rows: list[float]) -> nn.Linear:
    layer = nn.Linear(len(rows[0]), len(rows), bias=False)
    layer.weight.data = torch.tensor(rows)
    return layer


def test_naswot_by_hand() -> None:
    """Patterns (on, off) and (on, on): K = [[2, 1], [1, 2]], determinant 3."""
    module = nn.Sequential(linear([1.0, 0.0], [0.0, 1.0]), nn.ReLU())
    images = torch.tensor([[1.0, -1.0], [1.0, 1.0]])
    assert naswot(module, images) == pytest.approx(math.log(3))
    assert naswot(module, images[:1].repeat(2, 1)) == -math.inf


def test_naswot_needs_a_relu() -> None:
    with pytest.raises(PredictorError, match="has none"):
        naswot(linear([1.0]), torch.ones(2, 1))


def test_synflow_by_hand() -> None:
    """|w|: 1 2 then 3; R = 3 * (1 + 2) = 9, and each layer's share is R: 18."""
    module = nn.Sequential(linear([1.0, -2.0]), linear([-3.0]))
    assert synflow(module, (2,)) == pytest.approx(18)
    assert module[0].weight.tolist() == [[1.0, -2.0]]


def test_prenas_by_hand() -> None:
    """Output 3 * (1 * 5 - 2 * 1) = 9: |1 * 15| + |-2 * 3| + |3 * 3| = 30."""
    module = nn.Sequential(linear([1.0, -2.0]), linear([3.0]))
    assert prenas(module, torch.tensor([[5.0, 1.0]])) == pytest.approx(30)
    assert module[0].weight.grad is None


def test_deepmad_entropy_by_hand() -> None:
    """Two stages: 8 px with 4 channels, then 4 px with 6."""
    builder = SpaceBuilder("two_convolutions")
    builder.slot("first", block=lambda: Conv(3, 4, 8, kernel=3))
    builder.slot("second", block=lambda: Conv(4, 6, 8, kernel=3, stride=2))
    space = builder.build()
    architecture = space.decode([])
    first = math.log(8 * 8 * 4) * math.log(27)
    second = math.log(4 * 4 * 6) * (math.log(27) + math.log(36))
    found = deepmad_entropy(space, architecture, stage_weights=(1.0, 8.0))
    assert found == pytest.approx(first + 8 * second)
