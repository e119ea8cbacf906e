"""Blocks of cells leave their input alone: the other edges of a cell read it too."""

from __future__ import annotations

import pytest
import torch

from search_spaces.blocks import (
    Activation,
    AsymmetricConv,
    BlockSpec,
    FactorizedReduce,
    PreActConv,
    PreActResidual,
    SeparableConv,
)
from search_spaces.modules import build_block, build_elastic


@pytest.mark.parametrize(
    "spec",
    [
        Activation(4, 8),
        AsymmetricConv(4, 4, 8),
        FactorizedReduce(4, 4, 8),
        PreActConv(4, 4, 8, kernel=3),
        PreActResidual(4, 8, 8, stride=2),
        SeparableConv(4, 4, 8),
    ],
    ids=str,
)
def test_the_input_is_not_overwritten(spec: BlockSpec) -> None:
    x = torch.randn(2, 4, 8, 8)
    before = x.clone()
    build_block(spec)(x)
    assert torch.equal(x, before)
    build_elastic([spec])(x, spec)
    assert torch.equal(x, before)
