"""Attention between the pixels of a small map in torch, with biases of their offsets."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from search_spaces.blocks import MapAttention
from search_spaces.modules.block import ElasticBlock, register_modules
from search_spaces.modules.conv import ElasticConvBN, ElasticDepthwiseBN, conv_bn, depthwise_bn
from search_spaces.modules.elastic import Elastic, Part, Region
from search_spaces.modules.layers import OffsetTable
from search_spaces.modules.regularise import drop_path

__all__ = ["ElasticMapAttention", "StaticMapAttention"]


def _attend(q: Tensor, k: Tensor, v: Tensor, table: Tensor, spec: MapAttention) -> Tensor:
    """Attend between pixels.

    Args:
        q: Queries [n, heads * key_dim, hw, hw].
        k: Keys, alike.
        v: Values [n, heads * value_dim, hw, hw].
        table: Biases [heads, hw, hw] by vertical and horizontal distance.
        spec: What names these sizes, so that an exported network has them as constants.

    Returns:
        Of the shape of the values.
    """
    heads, pixels = spec.heads, spec.hw**2
    q, k = (x.reshape(-1, heads, spec.key_dim, pixels) for x in (q, k))
    v = v.reshape(-1, heads, spec.value_dim, pixels)
    q = q.transpose(2, 3) * spec.key_dim**-0.5
    weights = (q @ k + _spread(table, spec.hw)).softmax(-1)
    return (v @ weights.transpose(2, 3)).reshape(-1, heads * spec.value_dim, spec.hw, spec.hw)


def _spread(table: Tensor, side: int) -> Tensor:
    """Return the bias of every pair of pixels, [heads, side^2, side^2]."""
    steps = torch.arange(side, device=table.device)
    apart = (steps[:, None] - steps).abs()
    vertical = apart.repeat_interleave(side, 0).repeat_interleave(side, 1)
    return table[:, vertical, apart.repeat(side, side)]


class StaticMapAttention(nn.Module):
    """The plain module of a `MapAttention`."""

    def __init__(self, spec: MapAttention) -> None:
        super().__init__()
        self.spec = spec
        keys, values = spec.heads * spec.key_dim, spec.heads * spec.value_dim
        self.query = conv_bn(spec.cin, keys)
        self.mix = depthwise_bn(keys, kernel=spec.kernel)
        self.key = conv_bn(spec.cin, keys)
        self.value = conv_bn(spec.cin, values)
        self.bias = OffsetTable(spec.heads, spec.hw)
        self.project = conv_bn(values, spec.cin)

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, cin, h, w] to the same shape."""
        q, k, v = self.mix(self.query(x)), self.key(x), self.value(x)
        y: Tensor = self.project(_attend(q, k, v, self.bias.weight, self.spec).relu())
        return y + x


class _ElasticOffsetTable(Elastic):
    """Elastic twin of `OffsetTable`: fewer heads, and distances of smaller maps."""

    def __init__(self, heads: int, side: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(heads, side, side))

    def active(self, heads: int, side: int) -> dict[str, Region]:
        """Return the region used by ``heads`` heads on maps of ``side``."""
        return {"weight": (slice(0, heads), slice(0, side), slice(0, side))}

    def weights(self, heads: int, side: int) -> dict[str, Tensor]:
        """Return the table of the plain module."""
        return {"weight": self.weight.detach()[self.active(heads, side)["weight"]]}


class ElasticMapAttention(ElasticBlock):
    """Elastic twin of `StaticMapAttention`."""

    def __init__(self, blocks: Sequence[MapAttention], generator: torch.Generator) -> None:
        super().__init__()
        cin, heads = max(b.cin for b in blocks), max(b.heads for b in blocks)
        keys = max(b.heads * b.key_dim for b in blocks)
        values = max(b.heads * b.value_dim for b in blocks)
        kernels = [b.kernel for b in blocks]
        self.query = ElasticConvBN(cin, keys, generator=generator)
        self.mix = ElasticDepthwiseBN(keys, kernels=kernels, generator=generator)
        self.key = ElasticConvBN(cin, keys, generator=generator)
        self.value = ElasticConvBN(cin, values, generator=generator)
        self.bias = _ElasticOffsetTable(heads, max(b.hw for b in blocks))
        self.project = ElasticConvBN(values, cin, generator=generator)

    def forward(self, x: Tensor, spec: MapAttention) -> Tensor:
        """Run one block on [n, cin, h, w]."""
        keys, values = spec.heads * spec.key_dim, spec.heads * spec.value_dim
        q = self.mix(self.query(x, keys), spec.kernel)
        k, v = self.key(x, keys), self.value(x, values)
        table = self.bias.weight[: spec.heads, : spec.hw, : spec.hw]
        y: Tensor = self.project(_attend(q, k, v, table, spec).relu(), spec.cin)
        return drop_path(y, self.training) + x

    def residual_scales(self, blocks: Sequence[MapAttention]) -> Sequence[str]:
        """Return that of the last convolution."""
        return ["project.bn.weight"]

    def parts(self, spec: MapAttention) -> Sequence[Part]:
        """Return the layers of one block with their sizes."""
        keys, values = spec.heads * spec.key_dim, spec.heads * spec.value_dim
        return [
            ("query", self.query, (spec.cin, keys)),
            ("mix", self.mix, (keys, spec.kernel)),
            ("key", self.key, (spec.cin, keys)),
            ("value", self.value, (spec.cin, values)),
            ("bias", self.bias, (spec.heads, spec.hw)),
            ("project", self.project, (values, spec.cin)),
        ]


register_modules(MapAttention, plain=StaticMapAttention, elastic=ElasticMapAttention)
