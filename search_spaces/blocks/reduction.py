"""Residual spatial reduction of tokens (Liao et al. 2021, arXiv:2109.00642)."""

from __future__ import annotations

import math

from search_spaces.blocks.layers import INPUT, Layer, Shape, conv_hw
from search_spaces.blocks.spec import BlockSpec, block_family
from search_spaces.blocks.tokens import TokenTape

__all__ = ["SpatialReduction"]


@block_family
class SpatialReduction(BlockSpec):
    """A quarter of the patches with more features, between two stages of transformer layers.

    After a layer norm the square of patches passes a 3x3 convolution of stride 2 and gets new
    positions, the class token passes a linear layer. The input is added: its patches averaged
    two by two, and zeros in place of the features that it lacks.

    Attributes:
        cin: Features of a token.
        cout: The same behind the block, at least ``cin``.
        tokens: A square of patches, and the class token.
    """

    cin: int
    cout: int
    tokens: int

    @property
    def in_shape(self) -> Shape:
        """Shape of the input, (tokens, features)."""
        return (self.tokens, self.cin)

    @property
    def side(self) -> int:
        """Patches in a row of the input."""
        return math.isqrt(self.tokens - 1)

    @property
    def patches(self) -> int:
        """Patches of the output."""
        side = conv_hw(self.side, 2)
        return side * side

    def layers(self) -> list[Layer]:
        """List the primitive layers.

        Raises:
            SpaceError: The patches are no square, or there are fewer features than before.
        """
        tape = TokenTape(self.in_shape)
        pooled = tape.map_tokens(tape.avg_pool(tape.token_map(INPUT), 2))
        kept = tape.pad_features(tape.concat(tape.first_token(INPUT), pooled), self.cout)
        x = tape.layer_norm(INPUT)
        reduced = tape.conv(tape.token_map(x), self.cout, kernel=3, stride=2, bias=True)
        patches = tape.position_embedding(tape.map_tokens(reduced))
        token = tape.token_linear(tape.first_token(x), self.cout)
        tape.add(tape.concat(token, patches), kept)
        return tape.layers
