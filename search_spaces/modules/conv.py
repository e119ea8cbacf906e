"""Convolution, batch norm and activation in torch: the family `Conv` and what others reuse."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from search_spaces.blocks import Conv
from search_spaces.modules.activations import activate, make_activation
from search_spaces.modules.block import ElasticBlock, register_modules, require_equal
from search_spaces.modules.depthwise import ElasticDepthwise
from search_spaces.modules.elastic import (
    Elastic,
    ElasticBatchNorm,
    ElasticConv2d,
    Part,
)
from search_spaces.modules.layers import BatchNorm2d, Conv2d

__all__ = [
    "ElasticConv",
    "ElasticConvBN",
    "ElasticDepthwiseBN",
    "conv_bn",
    "depthwise_bn",
    "static_conv",
]


def conv_bn(
    cin: int,
    cout: int,
    *,
    kernel: int = 1,
    stride: int = 1,
    groups: int = 1,
    act: str | None = None,
    dilation: int = 1,
    padded: bool = True,
    eps: float = 1e-5,
) -> nn.Sequential:
    """Return a plain convolution, batch norm and activation; padding keeps the size."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    padding = dilation * (kernel // 2) if padded else 0
    layers["conv"] = Conv2d(
        cin, cout, kernel, stride, padding, dilation=dilation, groups=groups, bias=False
    )
    layers["bn"] = BatchNorm2d(cout, eps)
    if act is not None:
        layers["act"] = make_activation(act)
    return nn.Sequential(layers)


def depthwise_bn(
    channels: int, *, kernel: int, stride: int = 1, act: str | None = None, eps: float = 1e-5
) -> nn.Sequential:
    """Return a plain depthwise convolution, batch norm and activation."""
    return conv_bn(
        channels,
        channels,
        kernel=kernel,
        stride=stride,
        groups=channels,
        act=act,
        eps=eps,
    )


class ElasticConvBN(Elastic):
    """Elastic twin of `conv_bn`; a smaller kernel is the centre of the largest."""

    def __init__(
        self,
        cin: int,
        cout: int,
        *,
        generator: torch.Generator,
        kernel: int = 1,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self.conv = ElasticConv2d(cin, cout, kernel=kernel, generator=generator)
        self.bn = ElasticBatchNorm(cout, eps=eps)

    def forward(
        self, x: Tensor, cout: int, act: str | None = None, *, kernel: int = 1, stride: int = 1
    ) -> Tensor:
        """Map [n, cin, h, w] to [n, cout, h', w']."""
        return activate(self.bn(self.conv(x, cout, kernel, stride)), act)

    def parts(self, cin: int, cout: int, kernel: int = 1) -> Sequence[Part]:
        """Return convolution and batch norm with their sizes."""
        return [("conv", self.conv, (cin, cout, kernel)), ("bn", self.bn, (cout,))]


class ElasticDepthwiseBN(Elastic):
    """Elastic twin of `depthwise_bn`."""

    def __init__(
        self,
        channels: int,
        *,
        kernels: Sequence[int],
        generator: torch.Generator,
        transform: bool = True,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self.conv = ElasticDepthwise(
            channels, kernels=kernels, generator=generator, transform=transform
        )
        self.bn = ElasticBatchNorm(channels, eps=eps)

    def forward(
        self, x: Tensor, kernel: int, *, stride: int = 1, act: str | None = None
    ) -> Tensor:
        """Map [n, c, h, w] to [n, c, h', w']."""
        return activate(self.bn(self.conv(x, kernel, stride)), act)

    def parts(self, channels: int, kernel: int) -> Sequence[Part]:
        """Return convolution and batch norm with their sizes."""
        return [("conv", self.conv, (channels, kernel)), ("bn", self.bn, (channels,))]


class _Residual(nn.Sequential):
    """Layers whose input is added to their output."""

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, c, h, w] to the same shape."""
        y = x
        for layer in self:
            y = layer(y)
        return y + x


def static_conv(spec: Conv) -> nn.Sequential:
    """Return the plain module of a `Conv`."""
    module = conv_bn(
        spec.cin,
        spec.cout,
        kernel=spec.kernel,
        stride=spec.stride,
        act=spec.act,
        padded=spec.padded,
        eps=spec.bn_eps,
    )
    return _Residual(OrderedDict(module.named_children())) if spec.shortcut else module


class ElasticConv(ElasticBlock):
    """Elastic twin of `static_conv`; a smaller kernel is the centre of the largest."""

    def __init__(self, blocks: Sequence[Conv], generator: torch.Generator) -> None:
        super().__init__()
        require_equal(blocks, "bn_eps")
        cout = max(block.cout for block in blocks)
        self.conv = ElasticConv2d(
            max(block.cin for block in blocks),
            cout,
            kernel=max(block.kernel for block in blocks),
            generator=generator,
        )
        self.bn = ElasticBatchNorm(cout, eps=blocks[0].bn_eps)

    def forward(self, x: Tensor, spec: Conv) -> Tensor:
        """Run one block on [n, cin, h, w]."""
        y = self.conv(x, spec.cout, spec.kernel, spec.stride, padded=spec.padded)
        y = activate(self.bn(y), spec.act)
        return y + x if spec.shortcut else y

    def parts(self, spec: Conv) -> Sequence[Part]:
        """Return convolution and batch norm with their sizes."""
        return [
            ("conv", self.conv, (spec.cin, spec.cout, spec.kernel)),
            ("bn", self.bn, (spec.cout,)),
        ]


register_modules(Conv, plain=static_conv, elastic=ElasticConv)
