"""MBConv in torch: inverted residual with elastic width, expansion, kernel and squeeze."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from search_spaces.blocks import MBConv
from search_spaces.modules.block import ElasticBlock, register_modules
from search_spaces.modules.conv import ElasticConvBN, ElasticDepthwiseBN, conv_bn, depthwise_bn
from search_spaces.modules.elastic import Part
from search_spaces.modules.squeeze_excite import ElasticSqueezeExcite, SqueezeExcite

__all__ = ["ElasticMBConv", "StaticMBConv"]


class StaticMBConv(nn.Module):
    """The plain module of an `MBConv`."""

    def __init__(self, spec: MBConv) -> None:
        super().__init__()
        mid = spec.mid
        self.expand: nn.Module | None = None
        if spec.expand_conv:
            self.expand = conv_bn(spec.cin, mid, act=spec.act)
        self.depthwise = depthwise_bn(mid, kernel=spec.kernel, stride=spec.stride, act=spec.act)
        self.se = SqueezeExcite(mid, spec.se) if spec.se else None
        self.project = conv_bn(mid, spec.cout)
        self.shortcut = spec.shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, cin, h, w] to [n, cout, h', w']."""
        y: Tensor = x if self.expand is None else self.expand(x)
        y = self.depthwise(y)
        if self.se is not None:
            y = self.se(y)
        y = self.project(y)
        return y + x if self.shortcut else y


class ElasticMBConv(ElasticBlock):
    """Elastic twin of `StaticMBConv` with once-for-all's kernel transforms."""

    def __init__(self, blocks: Sequence[MBConv], generator: torch.Generator) -> None:
        super().__init__()
        cin, cout = max(b.cin for b in blocks), max(b.cout for b in blocks)
        mid, squeeze = max(b.mid for b in blocks), max(b.se for b in blocks)
        self.expand: ElasticConvBN | None = None
        if any(block.expand_conv for block in blocks):
            self.expand = ElasticConvBN(cin, mid, generator=generator)
        kernels = [block.kernel for block in blocks]
        self.depthwise = ElasticDepthwiseBN(mid, kernels=kernels, generator=generator)
        self.se: ElasticSqueezeExcite | None = None
        if squeeze:
            self.se = ElasticSqueezeExcite(mid, squeeze, generator=generator)
        self.project = ElasticConvBN(mid, cout, generator=generator)

    def forward(self, x: Tensor, spec: MBConv) -> Tensor:
        """Run one block on [n, cin, h, w]."""
        y: Tensor = x
        if self.expand is not None and spec.expand_conv:
            y = self.expand(y, spec.mid, spec.act)
        y = self.depthwise(y, spec.kernel, stride=spec.stride, act=spec.act)
        if self.se is not None and spec.se:
            y = self.se(y, spec.se)
        y = self.project(y, spec.cout)
        return y + x if spec.shortcut else y

    def parts(self, spec: MBConv) -> Sequence[Part]:
        """Return the layers of one block with their sizes."""
        parts: list[Part] = []
        if self.expand is not None and spec.expand_conv:
            parts.append(("expand", self.expand, (spec.cin, spec.mid)))
        parts.append(("depthwise", self.depthwise, (spec.mid, spec.kernel)))
        if self.se is not None and spec.se:
            parts.append(("se", self.se, (spec.mid, spec.se)))
        parts.append(("project", self.project, (spec.mid, spec.cout)))
        return parts


register_modules(MBConv, plain=StaticMBConv, elastic=ElasticMBConv)
