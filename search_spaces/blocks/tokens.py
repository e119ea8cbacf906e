"""Primitive layers on tokens: tensors of shape (tokens, features) or (heads, tokens, features).

What a vision transformer is made of (Dosovitskiy et al. 2021, arXiv:2010.11929), with the
relative positions of AutoFormer (Chen et al. 2021, arXiv:2107.00651; Shaw et al. 2018). Matrix
products count as multiply-accumulates, those with relative positions too; normalisation,
softmax, scaling and embeddings count zero.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from search_spaces.blocks.layers import Layer, Tape
from search_spaces.errors import SpaceError

__all__ = ["TokenTape"]


class TokenTape(Tape):
    """A `Tape` that also knows tokens; the first token is the class token."""

    def patches(self, x: int, features: int, patch: int) -> int:
        """Record a linear map of every square patch of an image: (C, H, W) to tokens.

        Raises:
            SpaceError: The patches do not tile the image.
        """
        cin, height, width = in_shape = self.shape(x)
        if patch < 1 or height % patch or width % patch:
            raise SpaceError(
                f"Patches of {patch} pixels do not tile an image of {height} x {width}; choose "
                "a resolution that is a multiple of the patch."
            )
        tokens, weights = (height // patch) * (width // patch), cin * patch * patch * features
        return self._record(
            Layer(
                "patches",
                (x,),
                in_shape,
                (tokens, features),
                macs=tokens * weights,
                params=weights + features,
                kernel=patch,
                stride=patch,
                bias=True,
            )
        )

    def class_token(self, x: int) -> int:
        """Record a learned token put before the others."""
        tokens, features = shape = self.shape(x)
        return self._record(
            Layer("class_token", (x,), shape, (tokens + 1, features), params=features)
        )

    def position_embedding(self, x: int) -> int:
        """Record the sum with a learned embedding of every token's place."""
        return self._same_shape("position_embedding", x, params=math.prod(self.shape(x)))

    def layer_norm(self, x: int) -> int:
        """Record layer norm over features, with a scale and a shift for each."""
        return self._same_shape("layer_norm", x, params=2 * self.shape(x)[-1])

    def token_linear(self, x: int, features: int) -> int:
        """Record a linear layer with a bias, applied to every token."""
        tokens, cin = shape = self.shape(x)
        params = (cin + 1) * features
        macs = tokens * cin * features
        return self._record(
            Layer("token_linear", (x,), shape, (tokens, features), macs, params, bias=True)
        )

    def split_heads(self, x: int, heads: int) -> int:
        """Record (tokens, heads * d) as (heads, tokens, d), a view.

        Raises:
            SpaceError: The heads do not divide the features.
        """
        tokens, features = shape = self.shape(x)
        if heads < 1 or features % heads:
            raise SpaceError(f"{heads} heads do not divide {features} features.")
        out_shape = (heads, tokens, features // heads)
        return self._record(Layer("split_heads", (x,), shape, out_shape, in_place=True))

    def merge_heads(self, x: int) -> int:
        """Record (heads, tokens, d) as (tokens, heads * d), a copy."""
        heads, tokens, features = shape = self.shape(x)
        return self._record(Layer("merge_heads", (x,), shape, (tokens, heads * features)))

    def transpose(self, x: int) -> int:
        """Record the exchange of the last two dimensions, a view."""
        *rest, rows, columns = shape = self.shape(x)
        return self._record(Layer("transpose", (x,), shape, (*rest, columns, rows), in_place=True))

    def scale(self, x: int) -> int:
        """Record the division by the square root of the number of features."""
        return self._same_shape("scale", x)

    def softmax(self, x: int) -> int:
        """Record softmax over the last dimension."""
        return self._same_shape("softmax", x)

    def attention_weights(self, x: int, kind: str) -> int:
        """Record what turns scores into weights, over the last dimension, by its name."""
        return self._same_shape(kind, x)

    def select_heads(self, x: int, indices: tuple[int, ...]) -> int:
        """Record some heads of (heads, n, m), a copy."""
        shape = self.shape(x)
        out_shape = (len(indices), *shape[1:])
        return self._record(Layer("select_heads", (x,), shape, out_shape, indices=indices))

    def join_heads(self, inputs: Sequence[int], order: tuple[int, ...]) -> int:
        """Record heads of several inputs one after another, then put in order."""
        shape = self.shape(inputs[0])
        out_shape = (len(order), *shape[1:])
        return self._record(Layer("join_heads", tuple(inputs), shape, out_shape, indices=order))

    def matmul(self, x: int, other: int) -> int:
        """Record the matrix product of every head: (h, n, k) by (h, k, m).

        Raises:
            SpaceError: The shapes do not fit.
        """
        heads, rows, inner = shape = self.shape(x)
        if self.shape(other)[:-1] != (heads, inner):
            raise SpaceError(f"Shapes {shape} and {self.shape(other)} cannot be multiplied.")
        columns = self.shape(other)[-1]
        macs = heads * rows * inner * columns
        return self._record(Layer("matmul", (x, other), shape, (heads, rows, columns), macs))

    def relative_scores(self, queries: int, distance: int) -> int:
        """Record the product of queries with the relative position of every key.

        A position is the sum of a vertical and a horizontal embedding, each from a table of
        2 * distance + 2 rows. The table spread out to every pair of tokens is a weight and no
        activation.
        """
        heads, tokens, features = self.shape(queries)
        return self._relative(
            "relative_scores", queries, (heads, tokens, tokens), features, distance
        )

    def relative_values(self, weights: int, features: int, distance: int) -> int:
        """Record the sum of relative positions weighted by attention; see `relative_scores`."""
        heads, tokens, _ = self.shape(weights)
        out_shape = (heads, tokens, features)
        return self._relative("relative_values", weights, out_shape, features, distance)

    def _relative(
        self, op: str, x: int, out_shape: tuple[int, int, int], features: int, distance: int
    ) -> int:
        shape = self.shape(x)
        macs = math.prod(out_shape) * shape[-1]
        params = 2 * (2 * distance + 2) * features
        return self._record(Layer(op, (x,), shape, out_shape, macs, params))

    def token_pool(self, x: int) -> int:
        """Record the mean over all tokens but the class token."""
        shape = self.shape(x)
        return self._record(Layer("token_pool", (x,), shape, shape[1:]))

    def first_token(self, x: int) -> int:
        """Record the class token alone, (1, features), a view."""
        shape = self.shape(x)
        return self._record(Layer("first_token", (x,), shape, (1, shape[1]), in_place=True))

    def token_map(self, x: int) -> int:
        """Record all tokens but the class token as a square map (features, side, side), a view.

        Raises:
            SpaceError: They are no square.
        """
        tokens, features = shape = self.shape(x)
        side = math.isqrt(tokens - 1)
        if side * side != tokens - 1:
            raise SpaceError(
                f"{tokens} tokens are no square of patches and a class token; the nearest are "
                f"{side**2 + 1} and {(side + 1) ** 2 + 1}."
            )
        out_shape = (features, side, side)
        return self._record(Layer("token_map", (x,), shape, out_shape, in_place=True))

    def map_tokens(self, x: int) -> int:
        """Record a map (C, H, W) as tokens (H * W, C), a view."""
        channels, height, width = shape = self.shape(x)
        out_shape = (height * width, channels)
        return self._record(Layer("map_tokens", (x,), shape, out_shape, in_place=True))

    def pad_features(self, x: int, features: int) -> int:
        """Record tokens with zeros behind their features, up to ``features``.

        Raises:
            SpaceError: They have more already.
        """
        tokens, cin = shape = self.shape(x)
        if features < cin:
            raise SpaceError(f"{cin} features cannot be padded to {features}.")
        if features == cin:
            return x
        return self._record(Layer("pad_features", (x,), shape, (tokens, features)))
