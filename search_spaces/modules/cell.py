"""Parameter-free blocks of cells in torch; see `search_spaces.blocks.cell`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from search_spaces.blocks import Activation, AvgPool, BlockSpec, Concat, NodeSum, Zero
from search_spaces.modules.activations import activate
from search_spaces.modules.block import ElasticBlock, register_modules

__all__ = ["ElasticParameterFree", "StaticParameterFree"]


def _run(inputs: Sequence[Tensor], spec: BlockSpec) -> Tensor:
    """Run one of the families below.

    Zero multiplies, as the published one does, so that gradients stay defined.
    """
    if isinstance(spec, AvgPool):
        padding = spec.kernel // 2
        return functional.avg_pool2d(
            inputs[0], spec.kernel, spec.stride, padding, count_include_pad=False
        )
    if isinstance(spec, Zero):
        return inputs[0] * 0.0
    if isinstance(spec, Activation):
        return activate(inputs[0], spec.act, inplace=False)
    if isinstance(spec, Concat):
        return torch.cat([inputs[source] for source in spec.sources], 1)
    return reduce(torch.add, inputs)


class StaticParameterFree(nn.Module):
    """The plain module of a block without parameters."""

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


for _family in (Activation, AvgPool, Concat, NodeSum, Zero):
    register_modules(_family, plain=StaticParameterFree, elastic=ElasticParameterFree)
