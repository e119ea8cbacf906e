"""Blocks of privately computed transformers in torch (MPCViT, Zeng et al. 2023).

Every approximation computes what the private engine computes, up to its fixed-point error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional

from search_spaces.blocks import PrivateAttention, PrivateMlp
from search_spaces.modules.block import ElasticBlock, register_modules, require_equal
from search_spaces.modules.elastic import Part
from search_spaces.modules.kept import KeptUnits, largest, spread
from search_spaces.modules.layers import LayerNorm, TokenLinear
from search_spaces.modules.regularise import drop_path
from search_spaces.modules.tokens import ElasticLayerNorm, token_linear

__all__ = [
    "ElasticPrivateAttention",
    "ElasticPrivateMlp",
    "StaticPrivateAttention",
    "StaticPrivateMlp",
]

_RELU_SOFTMAX_EPSILON = 1e-3
_TWO_QUAD_SHIFT = 5.0


def _relu_softmax(scores: Tensor) -> Tensor:
    kept = scores.relu()
    return kept / (kept.sum(-1, keepdim=True) + _RELU_SOFTMAX_EPSILON)


def _two_quad(scores: Tensor) -> Tensor:
    squares = (scores + _TWO_QUAD_SHIFT).square()
    return squares / squares.sum(-1, keepdim=True)


_WEIGHTS: dict[str, Callable[[Tensor], Tensor]] = {
    "softmax": lambda scores: scores.softmax(-1),
    "relu_softmax": _relu_softmax,
    "scale_attention": lambda scores: scores / scores.shape[-1],
    "two_quad": _two_quad,
}

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": lambda x: functional.gelu(x, approximate="tanh"),
    "quadratic": lambda x: (0.125 * x + 0.25) * x + 0.5,
    "linear": lambda x: x,
}


def _scores(q: Tensor, k: Tensor, v: Tensor, head_dim: int) -> tuple[Tensor, Tensor]:
    """Return scores [n, heads, tokens, tokens] and values [n, heads, tokens, head_dim]."""
    n, tokens, features = q.shape
    shape = (n, tokens, features // head_dim, head_dim)
    q, k, v = (x.reshape(shape).transpose(1, 2) for x in (q, k, v))
    return (q * head_dim**-0.5) @ k.transpose(2, 3), v


def _merged(weights: Tensor, v: Tensor) -> Tensor:
    """Return what the heads of all tokens attend to, [n, tokens, heads * head_dim]."""
    n, heads, tokens, size = v.shape
    return (weights @ v).transpose(1, 2).reshape(n, tokens, heads * size)


def _attention(q: Tensor, k: Tensor, v: Tensor, spec: PrivateAttention) -> Tensor:
    """Attend with queries, keys and values [n, tokens, heads * head_dim]; return alike."""
    scores, v = _scores(q, k, v, spec.head_dim)
    groups = spec.groups
    gathered = [head for indices in groups.values() for head in indices]
    if len(groups) == 1:
        weights = _WEIGHTS[spec.heads[0]](scores)
    else:
        parts = [_WEIGHTS[kind](scores[:, list(indices)]) for kind, indices in groups.items()]
        weights = torch.cat(parts, 1)[:, [gathered.index(i) for i in range(len(gathered))]]
    return _merged(weights, v)


def _mixed_attention(
    q: Tensor, k: Tensor, v: Tensor, specs: Sequence[PrivateAttention], shares: Tensor
) -> Tensor:
    """Attend with the mean over specs of every head's kind, weighted by their shares.

    A head's output depends on its own kind alone and all that follows is linear, so the mean
    over combinations of kinds is taken head by head (MPCViT, section 3.2).
    """
    scores, v = _scores(q, k, v, specs[0].head_dim)
    kinds = _kinds_of(tuple(spec.kinds for spec in specs))
    made: Tensor | None = None
    for kind, where in kinds.items():
        share = shares @ where.to(shares)
        part = share[:, None, None] * _WEIGHTS[kind](scores)
        made = part if made is None else made + part
    assert made is not None
    return _merged(made, v)


@lru_cache(maxsize=64)
def _kinds_of(specs: tuple[str, ...]) -> dict[str, Tensor]:
    """Return by kind which heads of which spec have it, bool [specs, heads]."""
    heads = [spec.split() for spec in specs]
    found = dict.fromkeys(kind for spec in heads for kind in spec)
    return {kind: torch.tensor([[h == kind for h in spec] for spec in heads]) for kind in found}


class StaticPrivateAttention(nn.Module):
    """The plain module of a `PrivateAttention`."""

    def __init__(self, spec: PrivateAttention) -> None:
        super().__init__()
        self.spec = spec
        features = len(spec.heads) * spec.head_dim
        self.norm = LayerNorm(spec.cin)
        self.q = TokenLinear(spec.cin, features)
        self.k = TokenLinear(spec.cin, features)
        self.v = TokenLinear(spec.cin, features)
        self.project = TokenLinear(features, spec.cin)

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens [n, tokens, cin] to tokens."""
        y = self.norm(x)
        made: Tensor = x + self.project(_attention(self.q(y), self.k(y), self.v(y), self.spec))
        return made


class ElasticPrivateAttention(ElasticBlock):
    """Elastic twin of `StaticPrivateAttention`: leading features, leading heads."""

    def __init__(self, blocks: Sequence[PrivateAttention], generator: torch.Generator) -> None:
        super().__init__()
        require_equal(blocks, "tokens", "head_dim")
        cin = max(block.cin for block in blocks)
        features = max(len(block.heads) for block in blocks) * blocks[0].head_dim
        self.norm = ElasticLayerNorm(cin)
        self.q = token_linear(cin, features, generator)
        self.k = token_linear(cin, features, generator)
        self.v = token_linear(cin, features, generator)
        self.project = token_linear(features, cin, generator)

    def forward(self, x: Tensor, spec: PrivateAttention) -> Tensor:
        """Run one block on tokens [n, tokens, cin]."""
        features = len(spec.heads) * spec.head_dim
        y = self.norm(x)
        q, k, v = (layer(y, features) for layer in (self.q, self.k, self.v))
        attended = self.project(_attention(q, k, v, spec), spec.cin)
        made: Tensor = x + drop_path(attended, self.training)
        return made

    def mixture(
        self, inputs: Sequence[Tensor], specs: Sequence[PrivateAttention], shares: Tensor
    ) -> Tensor:
        """Mix kinds head by head in one pass; heads of other numbers block by block."""
        spec = specs[0]
        if len({(other.cin, len(other.heads)) for other in specs}) > 1:
            return super().mixture(inputs, specs, shares)
        (x,) = inputs
        features = len(spec.heads) * spec.head_dim
        y = self.norm(x)
        q, k, v = (layer(y, features) for layer in (self.q, self.k, self.v))
        total = shares.sum()
        made = self.project(_mixed_attention(q, k, v, specs, shares / total), spec.cin)
        mixed: Tensor = total * (x + made)
        return mixed

    def parts(self, spec: PrivateAttention) -> Sequence[Part]:
        """Return norm and linear layers with their sizes."""
        features = len(spec.heads) * spec.head_dim
        return [
            ("norm", self.norm, (spec.cin,)),
            ("q", self.q, (spec.cin, features)),
            ("k", self.k, (spec.cin, features)),
            ("v", self.v, (spec.cin, features)),
            ("project", self.project, (features, spec.cin)),
        ]


def _activated(x: Tensor, act: str, mask: Tensor | None) -> Tensor:
    """Apply an activation to tokens [n, tokens, features] where a mask [tokens, 1] is true."""
    made = _ACTIVATIONS[act](x)
    return made if mask is None else torch.where(mask, made, x)


def _spread_tokens(spec: PrivateMlp) -> Tensor | None:
    """Return a mask of tokens at equal distances, bool [tokens, 1]; None where all are kept."""
    return spread(spec.tokens, spec.tokens - spec.passed)[:, None] if spec.passed else None


class StaticTokenActivation(nn.Module):
    """The activation of a plain perceptron.

    Attributes:
        mask: Buffer, true where a token is activated, bool [tokens, 1]; absent where all are.
            A fresh one keeps tokens at equal distances.
    """

    def __init__(self, spec: PrivateMlp) -> None:
        super().__init__()
        self.act = spec.act
        self.mask: Tensor | None
        self.register_buffer("mask", _spread_tokens(spec))

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens [n, tokens, features] to the same shape."""
        return _activated(x, self.act, self.mask)


class ElasticTokenActivation(KeptUnits):
    """Elastic twin of `StaticTokenActivation`, for any number of kept tokens.

    Scores and mask are [tokens, 1].

    Args:
        specs: Of the slot's blocks.
        generator: Draws the scores.
    """

    def __init__(self, specs: Sequence[PrivateMlp], generator: torch.Generator) -> None:
        if any(spec.passed != specs[0].passed for spec in specs):
            super().__init__(torch.rand(specs[0].tokens, 1, generator=generator), None)
        else:
            super().__init__(None, _spread_tokens(specs[0]))

    def mask_of(self, spec: PrivateMlp) -> Tensor | None:
        """Return which tokens are activated, bool [tokens, 1]; None for all."""
        if not spec.passed:
            return None
        if self.mask is not None:
            return self.mask
        return largest(self.scores, spec.tokens - spec.passed)

    def forward(self, x: Tensor, spec: PrivateMlp, *, gate: Tensor | None = None) -> Tensor:
        """Map tokens [n, tokens, features] to the same shape.

        Args:
            x: The tokens.
            spec: Of the block.
            gate: How much of every token's activation is taken, [tokens, 1], in place of a mask.
        """
        if gate is None:
            return _activated(x, spec.act, self.mask_of(spec))
        return x + gate * (_ACTIVATIONS[spec.act](x) - x)

    def weights(self, spec: PrivateMlp) -> dict[str, Tensor]:
        """Return the mask of the plain activation."""
        mask = self.mask_of(spec)
        return {} if mask is None else {"mask": mask}


class StaticPrivateMlp(nn.Module):
    """The plain module of a `PrivateMlp`."""

    def __init__(self, spec: PrivateMlp) -> None:
        super().__init__()
        self.norm = LayerNorm(spec.cin)
        self.expand = TokenLinear(spec.cin, spec.mid)
        self.act = StaticTokenActivation(spec)
        self.reduce = TokenLinear(spec.mid, spec.cin)

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens [n, tokens, cin] to tokens."""
        inner = self.act(self.expand(self.norm(x)))
        made: Tensor = x + self.reduce(inner)
        return made


class ElasticPrivateMlp(ElasticBlock):
    """Elastic twin of `StaticPrivateMlp`; features are leading ones."""

    def __init__(self, blocks: Sequence[PrivateMlp], generator: torch.Generator) -> None:
        super().__init__()
        require_equal(blocks, "tokens")
        cin, mid = max(block.cin for block in blocks), max(block.mid for block in blocks)
        self.norm = ElasticLayerNorm(cin)
        self.expand = token_linear(cin, mid, generator)
        self.reduce = token_linear(mid, cin, generator)
        self.act = ElasticTokenActivation(blocks, generator)

    def forward(self, x: Tensor, spec: PrivateMlp, *, gate: Tensor | None = None) -> Tensor:
        """Run one block on tokens [n, tokens, cin]; for the gate see `ElasticTokenActivation`."""
        inner = self.act(self.expand(self.norm(x), spec.mid), spec, gate=gate)
        made: Tensor = x + drop_path(self.reduce(inner, spec.cin), self.training)
        return made

    def mixture(
        self, inputs: Sequence[Tensor], specs: Sequence[PrivateMlp], shares: Tensor
    ) -> Tensor:
        """Mix activations in one pass; perceptrons of other widths block by block."""
        spec = specs[0]
        if len({(other.cin, other.mid) for other in specs}) > 1:
            return super().mixture(inputs, specs, shares)
        (x,) = inputs
        expanded, total = self.expand(self.norm(x), spec.mid), shares.sum()
        acts = [self.act(expanded, other) for other in specs]
        inner = sum(share * act for share, act in zip(shares / total, acts, strict=True))
        made: Tensor = total * (x + self.reduce(inner, spec.cin))
        return made

    def parts(self, spec: PrivateMlp) -> Sequence[Part]:
        """Return norm, linear layers and activation with their sizes."""
        return [
            ("norm", self.norm, (spec.cin,)),
            ("expand", self.expand, (spec.cin, spec.mid)),
            ("act", self.act, (spec,)),
            ("reduce", self.reduce, (spec.mid, spec.cin)),
        ]


register_modules(PrivateAttention, plain=StaticPrivateAttention, elastic=ElasticPrivateAttention)
register_modules(PrivateMlp, plain=StaticPrivateMlp, elastic=ElasticPrivateMlp)
