"""FasterNet's block in torch: a partial convolution and a perceptron of 1x1 convolutions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from search_spaces.blocks import PartialConvBlock
from search_spaces.modules.block import ElasticBlock, register_modules
from search_spaces.modules.conv import ElasticConvBN, conv_bn
from search_spaces.modules.elastic import ElasticConv2d, Part
from search_spaces.modules.layers import Conv2d
from search_spaces.modules.regularise import drop_path

__all__ = ["ElasticPartialConvBlock", "StaticPartialConvBlock"]


class StaticPartialConvBlock(nn.Module):
    """The plain module of a `PartialConvBlock`."""

    def __init__(self, spec: PartialConvBlock) -> None:
        super().__init__()
        self.part, side = spec.part, spec.kernel
        self.mix = Conv2d(spec.part, spec.part, side, padding=side // 2, bias=False)
        self.expand = conv_bn(spec.cin, spec.mid, act=spec.act)
        self.project = Conv2d(spec.mid, spec.cin, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, cin, h, w] to the same shape."""
        y: Tensor = torch.cat([self.mix(x[:, : self.part]), x[:, self.part :]], dim=1)
        y = self.project(self.expand(y))
        return x + y


class ElasticPartialConvBlock(ElasticBlock):
    """Elastic twin of `StaticPartialConvBlock`; a smaller kernel is the largest one's centre."""

    def __init__(self, blocks: Sequence[PartialConvBlock], generator: torch.Generator) -> None:
        super().__init__()
        cin, mid = max(b.cin for b in blocks), max(b.mid for b in blocks)
        part, kernel = max(b.part for b in blocks), max(b.kernel for b in blocks)
        self.mix = ElasticConv2d(part, part, kernel=kernel, generator=generator)
        self.expand = ElasticConvBN(cin, mid, generator=generator)
        self.project = ElasticConv2d(mid, cin, generator=generator)

    def forward(self, x: Tensor, spec: PartialConvBlock) -> Tensor:
        """Run one block on [n, cin, h, w]."""
        mixed = self.mix(x[:, : spec.part], spec.part, spec.kernel)
        y: Tensor = torch.cat([mixed, x[:, spec.part :]], dim=1)
        y = self.project(self.expand(y, spec.mid, spec.act), spec.cin)
        return x + drop_path(y, self.training)

    def parts(self, spec: PartialConvBlock) -> Sequence[Part]:
        """Return the convolutions with their sizes."""
        return [
            ("mix", self.mix, (spec.part, spec.part, spec.kernel)),
            ("expand", self.expand, (spec.cin, spec.mid)),
            ("project", self.project, (spec.mid, spec.cin)),
        ]


register_modules(PartialConvBlock, plain=StaticPartialConvBlock, elastic=ElasticPartialConvBlock)
