"""Zero-cost scores by hand on tiny networks."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import pytest
import torch
from torch import nn

from predictors import PredictorError
from predictors.zero_cost import deepmad_entropy, naswot, prenas, synflow, zen_score
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


def draws(*shapes: tuple[int, ...], seed: int = 0) -> list[torch.Tensor]:
    """Return what `zen_score` draws, in order."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(s, generator=generator, dtype=torch.float64) for s in shapes]


def test_zen_score_of_a_linear_map_by_hand() -> None:
    """One weight w and no batch norm: the map changes by |w| * 0.01 * |e|."""
    images = torch.randn(3, 1, 2, 2)
    weight, noise = draws((1, 1, 1, 1), (3, 1, 2, 2), seed=5)
    distance = sum(0.01 * math.sqrt(sum(v * v for v in e.flatten().tolist())) for e in noise) / 3
    found = zen_score(nn.Conv2d(1, 1, 1), images, seed=5)
    assert found == pytest.approx(math.log(abs(float(weight)) * distance))


def test_zen_score_puts_back_what_batch_norm_takes_away() -> None:
    """Two pixels, -1 and 1, times w, over |w|; noise e moves w (1 + 0.01 e) to +-1 again."""
    module = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.BatchNorm2d(1, eps=1e-12))
    images = torch.tensor([-1.0, 1.0]).reshape(2, 1, 1, 1)
    assert zen_score(module, images) < math.log(1e-9)  # nothing but rounding is left
    images = torch.tensor([-1.0, 0.0, 1.0]).reshape(3, 1, 1, 1)
    weight, noise = draws((1, 1, 1, 1), (3, 1, 1, 1))
    moved = [x + 0.01 * float(e) for x, e in zip((-1, 0, 1), noise, strict=True)]
    mean = sum(moved) / 3
    spread = math.sqrt(sum((m - mean) ** 2 for m in moved) / 3)
    normed = [x / math.sqrt(2 / 3) for x in (-1, 0, 1)]
    change = sum(abs((m - mean) / spread - x) for m, x in zip(moved, normed, strict=True)) / 3
    taken = abs(float(weight)) * math.sqrt(2 / 3)
    assert zen_score(module, images) == pytest.approx(math.log(change) + math.log(taken))


def test_zen_score_of_a_constant() -> None:
    assert (
        zen_score(nn.Sequential(nn.Conv2d(1, 1, 1), Zero()), torch.randn(2, 1, 2, 2)) == -math.inf
    )


class Zero(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 0.0 * x


@pytest.mark.parametrize(
    "score",
    [naswot, prenas, zen_score, lambda module, images: synflow(module, images.shape[1:])],
    ids=["naswot", "prenas", "zen_score", "synflow"],
)
@pytest.mark.parametrize("training", [True, False])
def test_a_score_leaves_the_network_as_it_was(
    score: Callable[[nn.Module, torch.Tensor], float], training: bool
) -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 1))
    module.train(training)
    module[0].train(not training)  # a mode of its own
    before = copy.deepcopy(module.state_dict())
    modes = [m.training for m in module.modules()]
    first = score(module, images := torch.randn(4, 3, 8, 8))
    assert score(module, images) == first
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert [m.training for m in module.modules()] == modes
    assert all(parameter.grad is None for parameter in module.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in module.modules())
