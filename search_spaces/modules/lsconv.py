"""LS convolution in torch: large-kernel perception, small-kernel aggregation."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from search_spaces.blocks import LSConv
from search_spaces.errors import SpaceError
from search_spaces.modules.block import ElasticBlock, register_modules
from search_spaces.modules.conv import ElasticConvBN, ElasticDepthwiseBN, conv_bn, depthwise_bn
from search_spaces.modules.elastic import (
    ElasticAffine,
    ElasticBatchNorm,
    ElasticConv2d,
    Part,
    leading,
)
from search_spaces.modules.layers import BatchNorm2d, Conv2d, GroupNorm
from search_spaces.modules.regularise import drop_path

__all__ = ["ElasticLSConv", "StaticLSConv", "aggregate"]


def aggregate(x: Tensor, kernels: Tensor, spec: LSConv) -> Tensor:
    """Sum the neighbours of every pixel, weighted by kernels of its own.

    Args:
        x: [n, cin, hw, hw]; channel i uses kernel i modulo the number of kernels.
        kernels: [n, kernels * small^2, hw, hw], the kernels one after the other.
        spec: What names these sizes, so that an exported network has them as constants.

    Returns:
        [n, cin, hw, hw].
    """
    side, hw = spec.small, spec.hw
    kernels = kernels.view(-1, spec.kernels, side**2, hw, hw)
    repeated = torch.cat([kernels] * -(-spec.cin // spec.kernels), dim=1)
    if repeated.shape[1] > spec.cin:
        repeated = repeated[:, : spec.cin]
    around = functional.pad(x, [side // 2] * 4)
    windows = (
        around[:, :, row : row + hw, column : column + hw] * repeated[:, :, i]
        for i, (row, column) in enumerate(itertools.product(range(side), repeat=2))
    )
    return functools.reduce(torch.add, windows)


class StaticLSConv(nn.Module):
    """The plain module of an `LSConv`."""

    def __init__(self, spec: LSConv) -> None:
        super().__init__()
        self.spec, predicted = spec, spec.small**2 * spec.kernels
        self.reduce = conv_bn(spec.cin, spec.mid, act="relu")
        self.depthwise = depthwise_bn(spec.mid, kernel=spec.kernel)
        self.mix = conv_bn(spec.mid, spec.mid, act="relu")
        self.predict = Conv2d(spec.mid, predicted, 1)
        self.norm = GroupNorm(spec.kernels, predicted)
        self.bn = BatchNorm2d(spec.cin)

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, cin, h, w] to the same shape."""
        kernels = self.norm(self.predict(self.mix(self.depthwise(self.reduce(x)))))
        y: Tensor = self.bn(aggregate(x, kernels, self.spec))
        return x + y


class _ElasticGroupNorm(ElasticAffine):
    """Group norm (eps 1e-5) of leading groups, each of the same number of channels."""

    def forward(self, x: Tensor, groups: int) -> Tensor:
        """Normalise every group of channels of ``x`` [n, c, h, w]."""
        channels = x.shape[1]
        weight, bias = leading(self.weight, channels), leading(self.bias, channels)
        return functional.group_norm(x, groups, weight, bias)


class ElasticLSConv(ElasticBlock):
    """Elastic twin of `StaticLSConv`; blocks that share weights predict kernels of one size.

    A small kernel is a run of channels, so that of another size none would keep its meaning:
    name ``small`` among the slot's ``separate_weights``.
    """

    def __init__(self, blocks: Sequence[LSConv], generator: torch.Generator) -> None:
        super().__init__()
        if len({b.small for b in blocks}) > 1:
            raise SpaceError(
                "Blocks LSConv of one slot predict kernels of different sizes, "
                f"{sorted({b.small for b in blocks})}, and cannot share weights; give the slot "
                "separate_weights=('small',)."
            )
        cin, mid = max(b.cin for b in blocks), max(b.mid for b in blocks)
        predicted = max(b.small**2 * b.kernels for b in blocks)
        kernels = [b.kernel for b in blocks]
        self.reduce = ElasticConvBN(cin, mid, generator=generator)
        self.depthwise = ElasticDepthwiseBN(mid, kernels=kernels, generator=generator)
        self.mix = ElasticConvBN(mid, mid, generator=generator)
        self.predict = ElasticConv2d(mid, predicted, bias=True, generator=generator)
        self.norm = _ElasticGroupNorm(predicted)
        self.bn = ElasticBatchNorm(cin)

    def forward(self, x: Tensor, spec: LSConv) -> Tensor:
        """Run one block on [n, cin, h, w]."""
        y: Tensor = self.reduce(x, spec.mid, "relu")
        y = self.depthwise(y, spec.kernel)
        y = self.mix(y, spec.mid, "relu")
        kernels = self.norm(self.predict(y, spec.small**2 * spec.kernels), spec.kernels)
        y = self.bn(aggregate(x, kernels, spec))
        return x + drop_path(y, self.training)

    def parts(self, spec: LSConv) -> Sequence[Part]:
        """Return the layers of one block with their sizes."""
        predicted = spec.small**2 * spec.kernels
        return [
            ("reduce", self.reduce, (spec.cin, spec.mid)),
            ("depthwise", self.depthwise, (spec.mid, spec.kernel)),
            ("mix", self.mix, (spec.mid, spec.mid)),
            ("predict", self.predict, (spec.mid, predicted)),
            ("norm", self.norm, (predicted,)),
            ("bn", self.bn, (spec.cin,)),
        ]


register_modules(LSConv, plain=StaticLSConv, elastic=ElasticLSConv)
