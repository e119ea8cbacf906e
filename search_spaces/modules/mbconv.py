"""MBConv in torch: inverted residual with elastic width, expansion, kernel and squeeze."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from search_spaces.blocks import MBConv
from search_spaces.modules.block import ElasticBlock, register_modules, require_equal
from search_spaces.modules.channels import ChannelGroup, outputs
from search_spaces.modules.conv import ElasticConvBN, ElasticDepthwiseBN, conv_bn, depthwise_bn
from search_spaces.modules.elastic import ElasticConv2d, Part
from search_spaces.modules.layers import Conv2d
from search_spaces.modules.pool import avg_pool
from search_spaces.modules.regularise import drop_path
from search_spaces.modules.squeeze_excite import (
    CHANNELS,
    ElasticSqueezeExcite,
    SqueezeExcite,
    squeeze_group,
)

__all__ = ["ElasticMBConv", "StaticMBConv"]


class StaticMBConv(nn.Module):
    """The plain module of an `MBConv`."""

    def __init__(self, spec: MBConv) -> None:
        super().__init__()
        mid, eps = spec.mid, spec.bn_eps
        self.expand: nn.Module | None = None
        if spec.expand_conv:
            self.expand = conv_bn(spec.cin, mid, act=spec.act, eps=eps)
        self.depthwise = depthwise_bn(
            mid, kernel=spec.kernel, stride=spec.stride, act=spec.act, eps=eps
        )
        self.se: nn.Module | None = None
        if spec.se:
            self.se = SqueezeExcite(mid, spec.se, act=spec.se_act, gate=spec.se_gate)
        self.project = conv_bn(mid, spec.cout, eps=eps)
        self.shortcut = spec.shortcut
        self.pool = spec.stride if spec.shortcut_kind == "pool_conv" else 1
        self.skip: nn.Module | None = None
        if _has_skip_conv(spec):
            self.skip = Conv2d(spec.cin, spec.cout, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, cin, h, w] to [n, cout, h', w']."""
        y: Tensor = x if self.expand is None else self.expand(x)
        y = self.depthwise(y)
        if self.se is not None:
            y = self.se(y)
        y = self.project(y)
        if not self.shortcut:
            return y
        x = avg_pool(x, self.pool)
        return y + (x if self.skip is None else self.skip(x))


def _has_skip_conv(spec: MBConv) -> bool:
    """Return whether the shortcut has a convolution."""
    return spec.shortcut_kind == "pool_conv" and spec.cin != spec.cout


class ElasticMBConv(ElasticBlock):
    """Elastic twin of `StaticMBConv`; kernels by once-for-all's transforms or by crops."""

    def __init__(self, blocks: Sequence[MBConv], generator: torch.Generator) -> None:
        super().__init__()
        require_equal(blocks, "bn_eps")
        eps = blocks[0].bn_eps
        cin, cout = max(b.cin for b in blocks), max(b.cout for b in blocks)
        mid, squeeze = max(b.mid for b in blocks), max(b.se for b in blocks)
        self.expand: ElasticConvBN | None = None
        if any(block.expand_conv for block in blocks):
            self.expand = ElasticConvBN(cin, mid, generator=generator, eps=eps)
        kernels = [block.kernel for block in blocks]
        transform = any(block.kernel_transform for block in blocks)
        self.depthwise = ElasticDepthwiseBN(
            mid, kernels=kernels, generator=generator, transform=transform, eps=eps
        )
        self.se: ElasticSqueezeExcite | None = None
        if squeeze:
            self.se = ElasticSqueezeExcite(mid, squeeze, generator=generator)
        self.project = ElasticConvBN(mid, cout, generator=generator, eps=eps)
        self._own_mid = all(block.expand_conv for block in blocks)
        self.skip: ElasticConv2d | None = None
        if any(_has_skip_conv(block) for block in blocks):
            self.skip = ElasticConv2d(cin, cout, generator=generator)

    def forward(self, x: Tensor, spec: MBConv) -> Tensor:
        """Run one block on [n, cin, h, w]."""
        y: Tensor = x
        if self.expand is not None and spec.expand_conv:
            y = self.expand(y, spec.mid, spec.act)
        y = self.depthwise(y, spec.kernel, stride=spec.stride, act=spec.act)
        if self.se is not None and spec.se:
            y = self.se(y, spec.se, act=spec.se_act, gate=spec.se_gate)
        y = self.project(y, spec.cout)
        if not spec.shortcut:
            return y
        if spec.shortcut_kind == "pool_conv":
            x = avg_pool(x, spec.stride)
        if self.skip is not None and _has_skip_conv(spec):
            x = self.skip(x, spec.cout)
        return drop_path(y, self.training) + x

    def channel_groups(self) -> Sequence[ChannelGroup]:
        """Return the expanded channels, where all blocks expand, and the squeezed ones."""
        groups = [squeeze_group()] if self.se is not None else []
        if self._own_mid:
            axes = {**outputs("expand"), **outputs("depthwise"), "project.conv.weight": 1}
            axes |= CHANNELS if self.se is not None else {}
            groups.append(ChannelGroup(axes, "project.conv.weight", lambda spec: int(spec.mid)))
        return groups

    def residual_scales(self, blocks: Sequence[MBConv]) -> Sequence[str]:
        """Return that of the last convolution, where all blocks have a shortcut."""
        return ["project.bn.weight"] if all(block.shortcut for block in blocks) else []

    def parts(self, spec: MBConv) -> Sequence[Part]:
        """Return the layers of one block with their sizes."""
        parts: list[Part] = []
        if self.expand is not None and spec.expand_conv:
            parts.append(("expand", self.expand, (spec.cin, spec.mid)))
        parts.append(("depthwise", self.depthwise, (spec.mid, spec.kernel)))
        if self.se is not None and spec.se:
            parts.append(("se", self.se, (spec.mid, spec.se)))
        parts.append(("project", self.project, (spec.mid, spec.cout)))
        if self.skip is not None and _has_skip_conv(spec):
            parts.append(("skip", self.skip, (spec.cin, spec.cout)))
        return parts


register_modules(MBConv, plain=StaticMBConv, elastic=ElasticMBConv)
