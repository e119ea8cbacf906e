"""Parameter-free blocks of cells in torch: average pool, zero, sum (Dong and Yang 2020)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from search_spaces.blocks import AvgPool, BlockSpec, NodeSum, Zero
from search_spaces.modules.block import ElasticBlock, register_modules

__all__ = ["ElasticParameterFree", "StaticParameterFree"]


def _run(inputs: Sequence[Tensor], spec: BlockSpec) -> Tensor:
    """Run an `AvgPool`, `Zero` or `NodeSum`.

    Zero multiplies, as the published one does, so that gradients stay defined.
    """
    if isinstance(spec, AvgPool):
        padding = spec.kernel // 2
        return functional.avg_pool2d(
            inputs[0], spec.kernel, spec.stride, padding, count_include_pad=False
        )
    if isinstance(spec, Zero):
        return inputs[0] * 0.0
    return reduce(torch.add, inputs)


class StaticParameterFree(nn.Module):
    """The plain module of an `AvgPool`, `Zero` or `NodeSum`."""

    def __init__(self, spec: BlockSpec) -> None:
        super().__init__()
        self.spec = spec

    def forward(self, *inputs: Tensor) -> Tensor:
        """Map inputs [n, c, h, w] to [n, c, h', w']."""
        return _run(inputs, self.spec)


class ElasticParameterFree(ElasticBlock):
    """Elastic twin of `StaticParameterFree`; it has no weights."""

    def __init__(self, blocks: Sequence[BlockSpec], generator: torch.Generator) -> None:
        super().__init__()

    def forward(self, *inputs: Any) -> Tensor:
        """Run one block; the spec is the last argument."""
        return _run(inputs[:-1], inputs[-1])


for _family in (AvgPool, NodeSum, Zero):
    register_modules(_family, plain=StaticParameterFree, elastic=ElasticParameterFree)
