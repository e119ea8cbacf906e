"""Bottleneck in torch: residual block with elastic width and inner width; and the max pool."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from search_spaces.blocks import Bottleneck, MaxPool
from search_spaces.modules.activations import activate
from search_spaces.modules.block import ElasticBlock, register_modules
from search_spaces.modules.channels import ChannelGroup, outputs
from search_spaces.modules.conv import ElasticConvBN, conv_bn
from search_spaces.modules.elastic import Part
from search_spaces.modules.pool import avg_pool
from search_spaces.modules.regularise import drop_path

__all__ = ["ElasticBottleneck", "ElasticMaxPool", "StaticBottleneck", "StaticMaxPool"]


class StaticBottleneck(nn.Module):
    """The plain module of a `Bottleneck`."""

    def __init__(self, spec: Bottleneck) -> None:
        super().__init__()
        self.reduce = conv_bn(spec.cin, spec.mid, act=spec.act)
        self.square = conv_bn(
            spec.mid, spec.mid, kernel=spec.kernel, stride=spec.stride, act=spec.act
        )
        self.expand = conv_bn(spec.mid, spec.cout)
        self.skip: nn.Module | None = conv_bn(spec.cin, spec.cout) if spec.project else None
        self.stride, self.act = spec.stride, spec.act

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, cin, h, w] to [n, cout, h', w']."""
        y: Tensor = self.expand(self.square(self.reduce(x)))
        if self.skip is not None:
            x = self.skip(avg_pool(x, self.stride))
        return activate(y + x, self.act)


class ElasticBottleneck(ElasticBlock):
    """Elastic twin of `StaticBottleneck`."""

    def __init__(self, blocks: Sequence[Bottleneck], generator: torch.Generator) -> None:
        super().__init__()
        cin, cout = max(b.cin for b in blocks), max(b.cout for b in blocks)
        mid, kernel = max(b.mid for b in blocks), max(b.kernel for b in blocks)
        self.reduce = ElasticConvBN(cin, mid, generator=generator)
        self.square = ElasticConvBN(mid, mid, kernel=kernel, generator=generator)
        self.expand = ElasticConvBN(mid, cout, generator=generator)
        self.skip: ElasticConvBN | None = None
        if any(block.project for block in blocks):
            self.skip = ElasticConvBN(cin, cout, generator=generator)

    def forward(self, x: Tensor, spec: Bottleneck) -> Tensor:
        """Run one block on [n, cin, h, w]."""
        y = self.reduce(x, spec.mid, spec.act)
        y = self.square(y, spec.mid, spec.act, kernel=spec.kernel, stride=spec.stride)
        y = self.expand(y, spec.cout)
        if self.skip is not None and spec.project:
            x = self.skip(avg_pool(x, spec.stride), spec.cout)
        return activate(drop_path(y, self.training) + x, spec.act)

    def channel_groups(self) -> Sequence[ChannelGroup]:
        """Return the inner channels in front of the square convolution and behind it."""
        return [
            ChannelGroup(
                {**outputs(before), f"{after}.conv.weight": 1},
                f"{after}.conv.weight",
                lambda spec: int(spec.mid),
            )
            for before, after in (("reduce", "square"), ("square", "expand"))
        ]

    def residual_scales(self, blocks: Sequence[Bottleneck]) -> Sequence[str]:
        """Return that of the last convolution."""
        return ["expand.bn.weight"]

    def parts(self, spec: Bottleneck) -> Sequence[Part]:
        """Return the convolutions with their sizes."""
        parts: list[Part] = [
            ("reduce", self.reduce, (spec.cin, spec.mid)),
            ("square", self.square, (spec.mid, spec.mid, spec.kernel)),
            ("expand", self.expand, (spec.mid, spec.cout)),
        ]
        if self.skip is not None and spec.project:
            parts.append(("skip", self.skip, (spec.cin, spec.cout)))
        return parts


class StaticMaxPool(nn.MaxPool2d):
    """The plain module of a `MaxPool`."""

    def __init__(self, spec: MaxPool) -> None:
        super().__init__(spec.kernel, spec.stride, spec.kernel // 2)


class ElasticMaxPool(ElasticBlock):
    """Elastic twin of `StaticMaxPool`; it has no weights."""

    def __init__(self, blocks: Sequence[MaxPool], generator: torch.Generator) -> None:
        super().__init__()

    def forward(self, x: Tensor, spec: MaxPool) -> Tensor:
        """Run one block on [n, c, h, w]."""
        return functional.max_pool2d(x, spec.kernel, spec.stride, spec.kernel // 2)


register_modules(Bottleneck, plain=StaticBottleneck, elastic=ElasticBottleneck)
register_modules(MaxPool, plain=StaticMaxPool, elastic=ElasticMaxPool)
