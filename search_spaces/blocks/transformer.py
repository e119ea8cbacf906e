"""Blocks of a vision transformer as AutoFormer builds it (Chen et al. 2021, arXiv:2107.00651).

Without relative positions a layer is the common one (Dosovitskiy et al. 2021).
"""

from __future__ import annotations

from dataclasses import field

from search_spaces.blocks.layers import INPUT, Layer, Shape
from search_spaces.blocks.spec import BlockSpec, block_family
from search_spaces.blocks.tokens import TokenTape
from search_spaces.errors import SpaceError

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
    the tokens (the paper's section 3.2). Relative positions may be embedded in keys and values.

    Attributes:
        cin: Features of a token, in and out.
        heads: Of the attention.
        mid: Features inside the perceptron.
        tokens: A square of patches, and the class token.
        head_dim: Features of a head.
        distance: Largest relative position, in patches, that the tables tell apart.
        relative: Whether there are relative positions; without, ``distance`` says nothing.
        prefix_bias: Whether a supernet has one vector of biases for queries, keys and values
            together, of which fewer heads take a prefix, as in AutoFormer's code; else fewer
            heads take the biases of these heads. No part of what the block is.
    """

    cin: int
    heads: int
    mid: int
    tokens: int
    head_dim: int = 64
    distance: int = 14
    relative: bool = True
    prefix_bias: bool = field(default=False, compare=False)

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
        if self.relative:
            scores = tape.add(scores, tape.relative_scores(q, self.distance))
        weights = tape.softmax(scores)
        made = tape.matmul(weights, v)
        if self.relative:
            made = tape.add(made, tape.relative_values(weights, self.head_dim, self.distance))
        x = tape.add(tape.token_linear(tape.merge_heads(made), self.cin), INPUT)
        inner = tape.act(tape.token_linear(tape.layer_norm(x), self.mid), "gelu")
        tape.add(tape.token_linear(inner, self.cin), x)
        return tape.layers


@block_family
class TokenHead(BlockSpec):
    """Layer norm, one vector of all tokens, dropout, linear classifier.

    Attributes:
        cin: Features of a token.
        classes: Outputs.
        tokens: With the class token.
        pool: The vector: ``"mean"`` of all tokens but the class token, or the class token
            (``"class"``).
        dropout: Probability of dropping a feature in training; no part of what the block is.
    """

    cin: int
    classes: int
    tokens: int
    pool: str = "mean"
    dropout: float = field(default=0.0, compare=False)

    @property
    def in_shape(self) -> Shape:
        """Shape of the input, (tokens, features)."""
        return (self.tokens, self.cin)

    def layers(self) -> list[Layer]:
        """List the primitive layers.

        Raises:
            SpaceError: The pool is neither "mean" nor "class".
        """
        tape = TokenTape(self.in_shape)
        pools = {"mean": tape.token_pool, "class": tape.first_token}
        if self.pool not in pools:
            raise SpaceError(f"pool must be one of {list(pools)}, got {self.pool!r}.")
        tape.linear(pools[self.pool](tape.layer_norm(INPUT)), self.classes)
        return tape.layers
