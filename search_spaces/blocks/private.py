"""Blocks of a vision transformer that is computed on secret shares (MPCViT, Zeng et al. 2023).

arXiv:2211.13955. Every head has its own kind of attention, and a layer its own activation, of
all tokens or of some, since what is cheap on plain numbers (the exponential of softmax, GELU) is
dear on secret ones.
Attention and perceptron are blocks of their own, so that a slot reads the choices of one only.
"""

from __future__ import annotations

from search_spaces.blocks.layers import INPUT, Layer, Shape
from search_spaces.blocks.spec import BlockSpec, block_family
from search_spaces.blocks.tokens import TokenTape
from search_spaces.errors import SpaceError, nearest

__all__ = ["ATTENTION_KINDS", "PRIVATE_ACTIVATIONS", "PrivateAttention", "PrivateMlp"]

ATTENTION_KINDS = ("softmax", "relu_softmax", "scale_attention", "two_quad")
"""How scores x of n keys become weights: softmax; max(x, 0) / (sum of it + 1e-3); x / n; and
(x + 5)^2 over the sum of it (Li et al. 2023, MPCFormer, arXiv:2211.01452)."""

PRIVATE_ACTIVATIONS = ("gelu", "quadratic", "linear")
"""GELU in its tanh form, 0.125 x^2 + 0.25 x + 0.5 (MPCFormer), or none."""


@block_family
class PrivateAttention(BlockSpec):
    """Layer norm, multi-head self-attention with a kind for each head, and a shortcut.

    Heads of one kind are gathered, computed together and put back in order.

    Attributes:
        cin: Features of a token, in and out.
        kinds: Of every head's attention, each of ``ATTENTION_KINDS``, separated by blanks.
        tokens: With the class token.
        head_dim: Features of a head.
    """

    cin: int
    kinds: str
    tokens: int
    head_dim: int

    @property
    def in_shape(self) -> Shape:
        """Shape of the input, (tokens, features)."""
        return (self.tokens, self.cin)

    @property
    def heads(self) -> tuple[str, ...]:
        """The kind of every head."""
        return tuple(self.kinds.split())

    @property
    def groups(self) -> dict[str, tuple[int, ...]]:
        """The heads of every kind that occurs, in the order of ``ATTENTION_KINDS``.

        Raises:
            SpaceError: There is no head, or no such kind.
        """
        heads = self.heads
        if not heads:
            raise SpaceError("Attention needs at least one head; kinds is empty.")
        for kind in heads:
            if kind not in ATTENTION_KINDS:
                raise SpaceError(
                    f"There is no attention {kind!r}. {nearest(kind, ATTENTION_KINDS)}"
                )
        return {
            kind: tuple(i for i, other in enumerate(heads) if other == kind)
            for kind in ATTENTION_KINDS
            if kind in heads
        }

    def layers(self) -> list[Layer]:
        """List the primitive layers.

        Raises:
            SpaceError: There is no head, or no such kind.
        """
        groups, heads = self.groups, len(self.heads)
        tape = TokenTape(self.in_shape)
        x = tape.layer_norm(INPUT)
        q, k, v = (
            tape.split_heads(tape.token_linear(x, heads * self.head_dim), heads) for _ in range(3)
        )
        scores = tape.matmul(tape.scale(q), tape.transpose(k))
        if len(groups) == 1:
            weights = tape.attention_weights(scores, *groups)
        else:
            parts = [
                tape.attention_weights(tape.select_heads(scores, indices), kind)
                for kind, indices in groups.items()
            ]
            gathered = [head for indices in groups.values() for head in indices]
            weights = tape.join_heads(parts, tuple(map(gathered.index, range(heads))))
        made = tape.merge_heads(tape.matmul(weights, v))
        tape.add(tape.token_linear(made, self.cin), INPUT)
        return tape.layers


@block_family
class PrivateMlp(BlockSpec):
    """Layer norm, a perceptron of two layers with an activation to choose, and a shortcut.

    Attributes:
        cin: Features of a token, in and out.
        mid: Features inside.
        tokens: With the class token.
        act: One of ``PRIVATE_ACTIVATIONS``.
        passed: Tokens that the activation leaves as they are (MPCViT+). Which ones
            is a mask that is stored with the weights and known to all parties. A block in which
            it leaves all is "linear".
    """

    cin: int
    mid: int
    tokens: int
    act: str = "gelu"
    passed: int = 0

    @property
    def in_shape(self) -> Shape:
        """Shape of the input, (tokens, features)."""
        return (self.tokens, self.cin)

    def layers(self) -> list[Layer]:
        """List the primitive layers.

        Raises:
            SpaceError: There is no such activation, or it leaves too many tokens.
        """
        if self.act not in PRIVATE_ACTIVATIONS:
            raise SpaceError(
                f"There is no private activation {self.act!r}. "
                f"{nearest(self.act, PRIVATE_ACTIVATIONS)}"
            )
        tape = TokenTape(self.in_shape)
        inner = tape.token_linear(tape.layer_norm(INPUT), self.mid)
        most = 0 if self.act == "linear" else self.tokens - 1
        if not 0 <= self.passed <= most:
            raise SpaceError(
                f"The activation {self.act!r} of {self.tokens} tokens can leave 0 to {most} as "
                f"they are, got passed = {self.passed}."
            )
        if self.passed:
            kept = (self.tokens - self.passed) * self.mid
            inner = tape.partial_act(self.act, "identity", inner, kept)
        else:
            inner = tape.act(inner, None if self.act == "linear" else self.act)
        tape.add(tape.token_linear(inner, self.cin), INPUT)
        return tape.layers
