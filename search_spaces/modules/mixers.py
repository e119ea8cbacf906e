"""Mixers of pixels and of channels in torch, with elastic width, kernel and squeeze."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from search_spaces.blocks import ChannelMixer, DepthwiseMixer
from search_spaces.modules.block import ElasticBlock, register_modules
from search_spaces.modules.conv import ElasticConvBN, ElasticDepthwiseBN, conv_bn, depthwise_bn
from search_spaces.modules.elastic import Part
from search_spaces.modules.squeeze_excite import ElasticSqueezeExcite, SqueezeExcite

__all__ = [
    "ElasticChannelMixer",
    "ElasticDepthwiseMixer",
    "StaticChannelMixer",
    "StaticDepthwiseMixer",
]


class StaticDepthwiseMixer(nn.Module):
    """The plain module of a `DepthwiseMixer`."""

    def __init__(self, spec: DepthwiseMixer) -> None:
        super().__init__()
        self.square = depthwise_bn(spec.cin, kernel=spec.kernel)
        self.point = depthwise_bn(spec.cin, kernel=1)
        self.se: nn.Module | None = None
        if spec.se:
            self.se = SqueezeExcite(spec.cin, spec.se, gate="sigmoid")

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, cin, h, w] to the same shape."""
        y: Tensor = self.square(x) + self.point(x) + x
        return y if self.se is None else self.se(y)


class ElasticDepthwiseMixer(ElasticBlock):
    """Elastic twin of `StaticDepthwiseMixer`."""

    def __init__(self, blocks: Sequence[DepthwiseMixer], generator: torch.Generator) -> None:
        super().__init__()
        cin, squeeze = max(b.cin for b in blocks), max(b.se for b in blocks)
        kernels = [b.kernel for b in blocks]
        self.square = ElasticDepthwiseBN(cin, kernels=kernels, generator=generator)
        self.point = ElasticDepthwiseBN(cin, kernels=[1], generator=generator)
        self.se: ElasticSqueezeExcite | None = None
        if squeeze:
            self.se = ElasticSqueezeExcite(cin, squeeze, generator=generator)

    def forward(self, x: Tensor, spec: DepthwiseMixer) -> Tensor:
        """Run one block on [n, cin, h, w]."""
        y: Tensor = self.square(x, spec.kernel) + self.point(x, 1) + x
        if self.se is not None and spec.se:
            y = self.se(y, spec.se, gate="sigmoid")
        return y

    def parts(self, spec: DepthwiseMixer) -> Sequence[Part]:
        """Return the layers of one block with their sizes."""
        parts: list[Part] = [
            ("square", self.square, (spec.cin, spec.kernel)),
            ("point", self.point, (spec.cin, 1)),
        ]
        if self.se is not None and spec.se:
            parts.append(("se", self.se, (spec.cin, spec.se)))
        return parts


class StaticChannelMixer(nn.Module):
    """The plain module of a `ChannelMixer`."""

    def __init__(self, spec: ChannelMixer) -> None:
        super().__init__()
        self.expand = conv_bn(spec.cin, spec.mid, act=spec.act)
        self.project = conv_bn(spec.mid, spec.cin)

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, cin, h, w] to the same shape."""
        y: Tensor = self.project(self.expand(x))
        return y + x


class ElasticChannelMixer(ElasticBlock):
    """Elastic twin of `StaticChannelMixer`."""

    def __init__(self, blocks: Sequence[ChannelMixer], generator: torch.Generator) -> None:
        super().__init__()
        cin, mid = max(b.cin for b in blocks), max(b.mid for b in blocks)
        self.expand = ElasticConvBN(cin, mid, generator=generator)
        self.project = ElasticConvBN(mid, cin, generator=generator)

    def forward(self, x: Tensor, spec: ChannelMixer) -> Tensor:
        """Run one block on [n, cin, h, w]."""
        y: Tensor = self.project(self.expand(x, spec.mid, spec.act), spec.cin)
        return y + x

    def parts(self, spec: ChannelMixer) -> Sequence[Part]:
        """Return both convolutions with their sizes."""
        return [
            ("expand", self.expand, (spec.cin, spec.mid)),
            ("project", self.project, (spec.mid, spec.cin)),
        ]


register_modules(DepthwiseMixer, plain=StaticDepthwiseMixer, elastic=ElasticDepthwiseMixer)
register_modules(ChannelMixer, plain=StaticChannelMixer, elastic=ElasticChannelMixer)
