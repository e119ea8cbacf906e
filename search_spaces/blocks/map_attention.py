"""Attention between the pixels of a small map, with learned biases of their offsets.

LeViT's attention (Graham et al. 2021, arXiv:2104.01136, section 4.2) as LSNet has it in its last
stage (Wang et al. 2025, arXiv:2503.23135): a depthwise convolution mixes the queries.
"""

from __future__ import annotations

import math

from search_spaces.blocks.layers import INPUT, Layer, Shape
from search_spaces.blocks.spec import BlockSpec, block_family
from search_spaces.blocks.tokens import TokenTape

__all__ = ["MapAttention"]


@block_family
class MapAttention(BlockSpec):
    """Queries, keys and values by 1x1 convolutions, attention, projection, the input added.

    Attributes:
        cin: Input and output channels.
        hw: Input height = width; pairs of pixels share a bias where they are as far apart.
        heads: Attention heads.
        key_dim: Channels of a head's queries and keys.
        value_dim: Channels of a head's values.
        kernel: Side of the queries' depthwise kernel.
    """

    cin: int
    hw: int
    heads: int
    key_dim: int
    value_dim: int
    kernel: int = 3

    @property
    def in_shape(self) -> Shape:
        """Shape of the input, (C, H, W)."""
        return (self.cin, self.hw, self.hw)

    def layers(self) -> list[Layer]:
        """List the primitive layers."""
        tape = _MapTape(self.in_shape)
        q = tape.conv_bn_act(INPUT, self.heads * self.key_dim)
        q = tape.split_map(tape.depthwise_bn_act(q, kernel=self.kernel), self.heads)
        k = tape.split_map(tape.conv_bn_act(INPUT, self.heads * self.key_dim), self.heads)
        v = tape.split_map(tape.conv_bn_act(INPUT, self.heads * self.value_dim), self.heads)
        scores = tape.matmul(tape.scale(tape.transpose(q)), k)
        weights = tape.softmax(tape.offset_bias(scores))
        x = tape.merge_map(tape.matmul(v, tape.transpose(weights)), self.hw)
        tape.add(tape.conv_bn_act(tape.act(x, "relu"), self.cin), INPUT)
        return tape.layers


class _MapTape(TokenTape):
    """Adds what lies between maps and heads."""

    def split_map(self, x: int, heads: int) -> int:
        """Record (heads * d, H, W) as (heads, d, H * W), a view."""
        channels, height, width = shape = self.shape(x)
        out_shape = (heads, channels // heads, height * width)
        return self._record(Layer("split_map", (x,), shape, out_shape, in_place=True))

    def merge_map(self, x: int, hw: int) -> int:
        """Record (heads, d, H * W) as (heads * d, H, W), a view."""
        heads, features, _ = shape = self.shape(x)
        out_shape = (heads * features, hw, hw)
        return self._record(Layer("merge_map", (x,), shape, out_shape, in_place=True))

    def offset_bias(self, x: int) -> int:
        """Record the sum with a bias for every head and offset, of (heads, n, n) scores.

        A square map of n pixels has n different offsets, signs apart.
        """
        heads, pixels, _ = self.shape(x)
        assert math.isqrt(pixels) ** 2 == pixels
        return self._same_shape("offset_bias", x, params=heads * pixels)
