"""Fused MBConv in torch, with elastic width, expansion, kernel and squeeze."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from search_spaces.blocks import FusedMBConv
from search_spaces.modules.block import ElasticBlock, register_modules
from search_spaces.modules.channels import ChannelGroup, outputs
from search_spaces.modules.conv import ElasticConvBN, conv_bn
from search_spaces.modules.elastic import Part
from search_spaces.modules.regularise import drop_path
from search_spaces.modules.squeeze_excite import (
    CHANNELS,
    ElasticSqueezeExcite,
    SqueezeExcite,
    squeeze_group,
)

__all__ = ["ElasticFusedMBConv", "StaticFusedMBConv"]


class StaticFusedMBConv(nn.Module):
    """The plain module of a `FusedMBConv`."""

    def __init__(self, spec: FusedMBConv) -> None:
        super().__init__()
        self.expand = conv_bn(
            spec.cin, spec.mid, kernel=spec.kernel, stride=spec.stride, act=spec.act
        )
        self.se: nn.Module | None = None
        if spec.se:
            self.se = SqueezeExcite(spec.mid, spec.se, act=spec.se_act, gate=spec.se_gate)
        self.project = conv_bn(spec.mid, spec.cout)
        self.shortcut = spec.shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, cin, h, w] to [n, cout, h', w']."""
        y: Tensor = self.expand(x)
        if self.se is not None:
            y = self.se(y)
        y = self.project(y)
        return y + x if self.shortcut else y


class ElasticFusedMBConv(ElasticBlock):
    """Elastic twin of `StaticFusedMBConv`; a smaller kernel is the centre of the largest."""

    def __init__(self, blocks: Sequence[FusedMBConv], generator: torch.Generator) -> None:
        super().__init__()
        mid, squeeze = max(b.mid for b in blocks), max(b.se for b in blocks)
        self.expand = ElasticConvBN(
            max(b.cin for b in blocks),
            mid,
            kernel=max(b.kernel for b in blocks),
            generator=generator,
        )
        self.se: ElasticSqueezeExcite | None = None
        if squeeze:
            self.se = ElasticSqueezeExcite(mid, squeeze, generator=generator)
        self.project = ElasticConvBN(mid, max(b.cout for b in blocks), generator=generator)

    def forward(self, x: Tensor, spec: FusedMBConv) -> Tensor:
        """Run one block on [n, cin, h, w]."""
        y: Tensor = self.expand(x, spec.mid, spec.act, kernel=spec.kernel, stride=spec.stride)
        if self.se is not None and spec.se:
            y = self.se(y, spec.se, act=spec.se_act, gate=spec.se_gate)
        y = self.project(y, spec.cout)
        return drop_path(y, self.training) + x if spec.shortcut else y

    def channel_groups(self) -> Sequence[ChannelGroup]:
        """Return the expanded channels and the squeezed ones."""
        axes = {**outputs("expand"), "project.conv.weight": 1}
        axes |= CHANNELS if self.se is not None else {}
        inner = ChannelGroup(axes, "project.conv.weight", lambda spec: int(spec.mid))
        return [inner] if self.se is None else [inner, squeeze_group()]

    def residual_scales(self, blocks: Sequence[FusedMBConv]) -> Sequence[str]:
        """Return that of the last convolution, where all blocks have a shortcut."""
        return ["project.bn.weight"] if all(block.shortcut for block in blocks) else []

    def parts(self, spec: FusedMBConv) -> Sequence[Part]:
        """Return the layers of one block with their sizes."""
        parts: list[Part] = [("expand", self.expand, (spec.cin, spec.mid, spec.kernel))]
        if self.se is not None and spec.se:
            parts.append(("se", self.se, (spec.mid, spec.se)))
        parts.append(("project", self.project, (spec.mid, spec.cout)))
        return parts


register_modules(FusedMBConv, plain=StaticFusedMBConv, elastic=ElasticFusedMBConv)
