"""The blocks of networks that were not written for us, in torch; see `blocks.general`."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from search_spaces.blocks import (
    Average,
    BlockSpec,
    GeneralConcat,
    GeneralConv,
    GeneralJoin,
    GeneralLinear,
    GeneralPool,
    Pointwise,
    Reshape,
    Shape,
)
from search_spaces.modules.activations import activate, make_activation
from search_spaces.modules.block import ElasticBlock, register_modules, require_equal
from search_spaces.modules.elastic import Part
from search_spaces.modules.layers import BatchNorm1d, BatchNorm2d, Conv2d, Linear
from search_spaces.modules.pieces import PiecedBatchNorm, PiecedWeights
from search_spaces.modules.regularise import drop

__all__ = [
    "ElasticGeneralConv",
    "ElasticGeneralLinear",
    "ElasticPointwise",
    "ElasticWithoutWeights",
    "StaticWithoutWeights",
    "static_conv",
    "static_linear",
    "static_pointwise",
]


def _widest(sizes: Sequence[Shape]) -> Shape:
    """Return the largest size of every piece."""
    return tuple(max(column) for column in zip(*sizes, strict=True))


def _normed(
    layers: OrderedDict[str, nn.Module],
    spec: GeneralConv | GeneralLinear | Pointwise,
    norm: type[nn.BatchNorm1d] | type[nn.BatchNorm2d],
) -> nn.Sequential:
    """Return layers followed by the batch norm and the activation of a spec."""
    if spec.norm:
        layers["bn"] = norm(spec.out_shape[0], eps=spec.eps)
    if spec.act is not None:
        layers["act"] = make_activation(spec.act, inplace=bool(layers))
    return nn.Sequential(layers)


def static_conv(spec: GeneralConv) -> nn.Sequential:
    """Return the plain module of a `GeneralConv`."""
    groups = sum(spec.cin) if spec.depthwise else spec.groups
    conv = Conv2d(
        sum(spec.cin),
        spec.cout,
        _pair(spec.kernel),
        _pair(spec.stride),
        _pair(spec.padding),
        _pair(spec.dilation),
        groups,
        spec.bias,
    )
    return _normed(OrderedDict(conv=conv), spec, BatchNorm2d)


def static_linear(spec: GeneralLinear) -> nn.Sequential:
    """Return the plain module of a `GeneralLinear`."""
    linear = Linear(sum(spec.cin), spec.cout, bias=spec.bias)
    return _normed(OrderedDict(linear=linear), spec, BatchNorm1d)


def static_pointwise(spec: Pointwise) -> nn.Sequential:
    """Return the plain module of a `Pointwise`."""
    module = _normed(OrderedDict(), spec, BatchNorm2d if spec.hw else BatchNorm1d)
    if spec.dropout:
        module.add_module("dropout", nn.Dropout(spec.dropout))
    return module


class ElasticGeneralConv(ElasticBlock):
    """Elastic twin of `static_conv`."""

    def __init__(self, blocks: Sequence[GeneralConv], generator: torch.Generator) -> None:
        super().__init__()
        require_equal(blocks, "kernel", "groups", "depthwise", "bias", "norm", "eps")
        first, made = blocks[0], _widest([block.made for block in blocks])
        self.conv = PiecedWeights(
            made,
            _widest([block.read for block in blocks]),
            kernel=first.kernel,
            bias=first.bias,
            generator=generator,
        )
        self.bn = PiecedBatchNorm(made, first.eps) if first.norm else None

    def forward(self, x: Tensor, spec: GeneralConv) -> Tensor:
        """Run one block on [n, cin, h, w]."""
        weight, bias = self.conv(spec.made, spec.read)
        groups = x.shape[1] if spec.depthwise else spec.groups
        geometry = (_pair(spec.stride), _pair(spec.padding), _pair(spec.dilation))
        y = functional.conv2d(x, weight, bias, *geometry, groups)
        if self.bn is not None:
            y = self.bn(y, spec.made)
        return activate(y, spec.act)

    def parts(self, spec: GeneralConv) -> Sequence[Part]:
        """Return convolution and batch norm with their sizes."""
        parts: list[Part] = [("conv", self.conv, (spec.made, spec.read))]
        return parts if self.bn is None else [*parts, ("bn", self.bn, (spec.made,))]


class ElasticGeneralLinear(ElasticBlock):
    """Elastic twin of `static_linear`."""

    def __init__(self, blocks: Sequence[GeneralLinear], generator: torch.Generator) -> None:
        super().__init__()
        require_equal(blocks, "bias", "norm", "eps")
        first, made = blocks[0], (max(block.cout for block in blocks),)
        cin = _widest([block.cin for block in blocks])
        self.linear = PiecedWeights(made, cin, bias=first.bias, generator=generator)
        self.bn = PiecedBatchNorm(made, first.eps) if first.norm else None

    def forward(self, x: Tensor, spec: GeneralLinear) -> Tensor:
        """Run one block on [n, cin]."""
        y = functional.linear(x, *self.linear((spec.cout,), spec.cin))
        if self.bn is not None:
            y = self.bn(y, (spec.cout,))
        return activate(y, spec.act)

    def parts(self, spec: GeneralLinear) -> Sequence[Part]:
        """Return linear layer and batch norm with their sizes."""
        parts: list[Part] = [("linear", self.linear, ((spec.cout,), spec.cin))]
        return parts if self.bn is None else [*parts, ("bn", self.bn, ((spec.cout,),))]


class ElasticPointwise(ElasticBlock):
    """Elastic twin of `static_pointwise`."""

    def __init__(self, blocks: Sequence[Pointwise], generator: torch.Generator) -> None:
        super().__init__()
        require_equal(blocks, "norm", "eps")
        cin = _widest([block.cin for block in blocks])
        self.bn = PiecedBatchNorm(cin, blocks[0].eps) if blocks[0].norm else None

    def forward(self, x: Tensor, spec: Pointwise) -> Tensor:
        """Run one block on [n, c, h, w] or [n, c]."""
        y = x if self.bn is None else self.bn(x, spec.cin)
        y = activate(y, spec.act, inplace=self.bn is not None)
        return drop(y, spec.dropout, self.training)

    def parts(self, spec: Pointwise) -> Sequence[Part]:
        """Return the batch norm with its sizes."""
        return [] if self.bn is None else [("bn", self.bn, (spec.cin,))]


def _pool(inputs: Sequence[Tensor], spec: GeneralPool) -> Tensor:
    (x,) = inputs
    if spec.kind == "global":
        return x.mean((2, 3), keepdim=True)
    window = (_pair(spec.kernel), _pair(spec.stride), _pair(spec.padding))
    if spec.kind == "max":
        return functional.max_pool2d(x, *window, _pair(spec.dilation), spec.ceil)
    return functional.avg_pool2d(x, *window, count_include_pad=spec.count_padding)


def _join(inputs: Sequence[Tensor], spec: GeneralJoin) -> Tensor:
    x, other = inputs
    joined = x + other if spec.op == "add" else x - other if spec.op == "sub" else x * other
    return activate(joined, spec.act)


_RUN: dict[type[BlockSpec], Callable[[Sequence[Tensor], Any], Tensor]] = {
    GeneralPool: _pool,
    GeneralJoin: _join,
    GeneralConcat: lambda inputs, spec: torch.cat(list(inputs), 1),
    Average: lambda inputs, spec: sum(inputs[1:], inputs[0]) * (1.0 / len(inputs)),
    Reshape: lambda inputs, spec: inputs[0].reshape(len(inputs[0]), *spec.out_shape),
}


class StaticWithoutWeights(nn.Module):
    """The plain module of a block without weights."""

    def __init__(self, spec: BlockSpec) -> None:
        super().__init__()
        self.spec = spec

    def forward(self, *inputs: Tensor) -> Tensor:
        """Run the block on inputs [n, ...]."""
        return _RUN[type(self.spec)](inputs, self.spec)


class ElasticWithoutWeights(ElasticBlock):
    """Elastic twin of `StaticWithoutWeights`."""

    def __init__(self, blocks: Sequence[BlockSpec], generator: torch.Generator) -> None:
        super().__init__()

    def forward(self, *inputs: Any) -> Tensor:
        """Run one block; the spec is the last argument."""
        return _RUN[type(inputs[-1])](inputs[:-1], inputs[-1])


def _pair(sizes: Shape) -> tuple[int, int]:
    height, width = sizes
    return height, width


register_modules(GeneralConv, plain=static_conv, elastic=ElasticGeneralConv)
register_modules(GeneralLinear, plain=static_linear, elastic=ElasticGeneralLinear)
register_modules(Pointwise, plain=static_pointwise, elastic=ElasticPointwise)
for _family in _RUN:
    register_modules(_family, plain=StaticWithoutWeights, elastic=ElasticWithoutWeights)
