"""Squeeze-and-excitation (Hu et al. 2018, arXiv:1709.01507)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from search_spaces.modules.activations import activate
from search_spaces.modules.channels import ChannelGroup
from search_spaces.modules.elastic import Elastic, ElasticConv2d, Part
from search_spaces.modules.layers import Conv2d

__all__ = ["CHANNELS", "ElasticSqueezeExcite", "SqueezeExcite", "squeeze_group"]

CHANNELS = {"se.reduce.weight": 1, "se.expand.weight": 0, "se.expand.bias": 0}
"""Where a block's channels run through its squeeze-and-excitation ``se``."""


def squeeze_group() -> ChannelGroup:
    """Return the channels between the two convolutions of a block's ``se``."""
    axes = {"se.reduce.weight": 0, "se.reduce.bias": 0, "se.expand.weight": 1}
    return ChannelGroup(axes, "se.expand.weight", lambda spec: int(spec.se))


class SqueezeExcite(nn.Module):
    """Scale every channel by a gate computed from all channels' means.

    Args:
        channels: Of the input.
        squeeze: Channels between the two 1x1 convolutions.
        act: Activation between them.
        gate: Activation after them.
    """

    def __init__(
        self, channels: int, squeeze: int, *, act: str = "relu", gate: str = "h_sigmoid"
    ) -> None:
        super().__init__()
        self.act, self.gate = act, gate
        self.reduce = Conv2d(channels, squeeze, 1)
        self.expand = Conv2d(squeeze, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, c, h, w] to [n, c, h, w]."""
        y = activate(self.reduce(x.mean((2, 3), keepdim=True)), self.act)
        return x * activate(self.expand(y), self.gate)


class ElasticSqueezeExcite(Elastic):
    """Elastic twin of `SqueezeExcite`; channels and squeeze channels are leading ones."""

    def __init__(self, channels: int, squeeze: int, *, generator: torch.Generator) -> None:
        super().__init__()
        self.reduce = ElasticConv2d(channels, squeeze, bias=True, generator=generator)
        self.expand = ElasticConv2d(squeeze, channels, bias=True, generator=generator)

    def forward(
        self, x: Tensor, squeeze: int, *, act: str = "relu", gate: str = "h_sigmoid"
    ) -> Tensor:
        """Map [n, c, h, w] to [n, c, h, w]."""
        y = activate(self.reduce(x.mean((2, 3), keepdim=True), squeeze), act)
        return x * activate(self.expand(y, x.shape[1]), gate)

    def parts(self, channels: int, squeeze: int) -> Sequence[Part]:
        """Return the two convolutions with their sizes."""
        return [
            ("reduce", self.reduce, (channels, squeeze)),
            ("expand", self.expand, (squeeze, channels)),
        ]
