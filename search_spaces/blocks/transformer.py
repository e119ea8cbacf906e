"""Blocks of a vision transformer as AutoFormer builds it (Chen et al. 2021, arXiv:2107.00651)."""

from __future__ import annotations

from dataclasses import field

from search_spaces.blocks.layers import INPUT, Layer, Shape
from search_spaces.blocks.spec import BlockSpec, block_family
from search_spaces.blocks.tokens import TokenTape

__all__ = ["PatchEmbed", "TokenHead", "TransformerLayer"]


@block_family
class PatchEmbed(BlockSpec):
    """Patches of an image as tokens, a class token before them, and their positions.

    Attributes:
        cin: Channels of the image.
        cout: Features of a token.
        hw: Height = width of the image.
        patch: Height = width of a patch.
    """

    cin: int
    cout: int
    hw: int
    patch: int = 16

    @property
    def in_shape(self) -> Shape:
        """Shape of the input, (C, H, W)."""
        return (self.cin, self.hw, self.hw)

    @property
    def tokens(self) -> int:
        """Patches and the class token."""
        return (self.hw // self.patch) ** 2 + 1

    def layers(self) -> list[Layer]:
        """List the primitive layers.

        Raises:
            SpaceError: The patches do not tile the image.
        """
        tape = TokenTape(self.in_shape)
        x = tape.class_token(tape.patches(INPUT, self.cout, self.patch))
        tape.position_embedding(x)
        return tape.layers


@block_family
class TransformerLayer(BlockSpec):
    """Multi-head self-attention and a two-layer perceptron, each after a layer norm.

    Queries, keys and values have ``head_dim`` features for each head, whatever the width of
    the tokens (the paper's section 3.2). Relative positions are embedded in keys and values.

    Attributes:
        cin: Features of a token, in and out.
        heads: Of the attention.
        mid: Features inside the perceptron.
        tokens: A square of patches, and the class token.
        head_dim: Features of a head.
        distance: Largest relative position, in patches, that the tables tell apart.
    """

    cin: int
    heads: int
    mid: int
    tokens: int
    head_dim: int = 64
    distance: int = 14

    @property
    def in_shape(self) -> Shape:
        """Shape of the input, (tokens, features)."""
        return (self.tokens, self.cin)

    def layers(self) -> list[Layer]:
        """List the primitive layers."""
        tape = TokenTape(self.in_shape)
        x = tape.layer_norm(INPUT)
        q, k, v = (
            tape.split_heads(tape.token_linear(x, self.heads * self.head_dim), self.heads)
            for _ in range(3)
        )
        q = tape.scale(q)
        scores = tape.matmul(q, tape.transpose(k))
        scores = tape.add(scores, tape.relative_scores(q, self.distance))
        weights = tape.softmax(scores)
        made = tape.matmul(weights, v)
        made = tape.add(made, tape.relative_values(weights, self.head_dim, self.distance))
        x = tape.add(tape.token_linear(tape.merge_heads(made), self.cin), INPUT)
        inner = tape.act(tape.token_linear(tape.layer_norm(x), self.mid), "gelu")
        tape.add(tape.token_linear(inner, self.cin), x)
        return tape.layers


@block_family
class TokenHead(BlockSpec):
    """Layer norm, the mean of all tokens but the class token, dropout, linear classifier.

    Attributes:
        cin: Features of a token.
        classes: Outputs.
        tokens: With the class token.
        dropout: Probability of dropping a feature in training; no part of what the block is.
    """

    cin: int
    classes: int
    tokens: int
    dropout: float = field(default=0.0, compare=False)

    @property
    def in_shape(self) -> Shape:
        """Shape of the input, (tokens, features)."""
        return (self.tokens, self.cin)

    def layers(self) -> list[Layer]:
        """List the primitive layers."""
        tape = TokenTape(self.in_shape)
        tape.linear(tape.token_pool(tape.layer_norm(INPUT)), self.classes)
        return tape.layers
