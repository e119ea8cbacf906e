"""Layers on tokens [n, tokens, features] in torch: the plain one and its elastic twin."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from search_spaces.modules.elastic import (
    Elastic,
    ElasticAffine,
    ElasticLinear,
    Part,
    Region,
    leading,
)
from search_spaces.modules.initialise import TABLE_STD
from search_spaces.modules.layers import TokenTable

__all__ = [
    "ElasticLayerNorm",
    "ElasticRelativePosition",
    "ElasticTokenTable",
    "RelativePosition",
    "attention",
    "token_linear",
]


def token_linear(
    cin: int, cout: int, generator: torch.Generator, *, bias: bool = True
) -> ElasticLinear:
    """Return a linear layer drawn as those of vision transformers are: N(0, 0.02^2)."""
    return ElasticLinear(cin, cout, generator=generator, bias=bias, std=TABLE_STD)


class ElasticLayerNorm(ElasticAffine):
    """Layer norm over leading features (eps 1e-5)."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the last dimension of ``x``."""
        features = x.shape[-1]
        weight, bias = leading(self.weight, features), leading(self.bias, features)
        return functional.layer_norm(x, (features,), weight, bias)


class ElasticTokenTable(Elastic):
    """A learned vector for every row; the twin of `TokenTable` that uses leading features."""

    def __init__(self, rows: int, features: int, generator: torch.Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(rows, features))
        nn.init.normal_(self.weight, 0.0, TABLE_STD, generator=generator)

    def forward(self, features: int) -> Tensor:
        """Return the table, [rows, features]."""
        return self.weight[:, :features]

    def active(self, features: int) -> dict[str, Region]:
        """Return the region used by ``features`` features."""
        return {"weight": (slice(0, self.weight.shape[0]), slice(0, features))}

    def weights(self, features: int) -> dict[str, Tensor]:
        """Return the plain table."""
        return {"weight": self.weight.detach()[:, :features]}


def _places(tokens: int, distance: int) -> tuple[Tensor, Tensor]:
    """Return the table rows of every pair of tokens, vertical and horizontal, int64 [t, t].

    Row 0 is for pairs with the class token, row ``distance + 1`` for the distance zero.
    """
    side = round((tokens - 1) ** 0.5)
    place = torch.arange(side)
    apart = (place[None, :] - place[:, None]).clamp(-distance, distance) + distance + 1
    vertical = apart.repeat_interleave(side, 0).repeat_interleave(side, 1)
    pad = (1, 0, 1, 0)
    return functional.pad(vertical, pad), functional.pad(apart.repeat(side, side), pad)


class RelativePosition(nn.Module):
    """An embedding of the relative position of every two tokens, on a square of patches.

    The sum of a vertical and a horizontal one (Chen et al. 2021, their code); all heads
    of a layer share it.

    Args:
        tokens: A square of patches, and the class token.
        features: Of a head.
        distance: Beyond which positions are not told apart.
    """

    def __init__(self, tokens: int, features: int, distance: int) -> None:
        super().__init__()
        self.vertical = TokenTable(2 * distance + 2, features)
        self.horizontal = TokenTable(2 * distance + 2, features)
        rows, columns = _places(tokens, distance)
        self.rows: Tensor
        self.columns: Tensor
        self.register_buffer("rows", rows, persistent=False)
        self.register_buffer("columns", columns, persistent=False)

    def forward(self) -> Tensor:
        """Return the embeddings, [tokens, tokens, features]."""
        return self.vertical.weight[self.rows] + self.horizontal.weight[self.columns]


class ElasticRelativePosition(Elastic):
    """Twin of `RelativePosition`; it has one size, whatever the heads."""

    def __init__(
        self, tokens: int, features: int, distance: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.features = features
        self.vertical = ElasticTokenTable(2 * distance + 2, features, generator)
        self.horizontal = ElasticTokenTable(2 * distance + 2, features, generator)
        rows, columns = _places(tokens, distance)
        self.rows: Tensor
        self.columns: Tensor
        self.register_buffer("rows", rows, persistent=False)
        self.register_buffer("columns", columns, persistent=False)

    def forward(self) -> Tensor:
        """Return the embeddings, [tokens, tokens, features]."""
        return self.vertical.weight[self.rows] + self.horizontal.weight[self.columns]

    def parts(self) -> Sequence[Part]:
        """Return both tables."""
        return [
            (name, getattr(self, name), (self.features,)) for name in ("vertical", "horizontal")
        ]


def attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    head_dim: int,
    positions: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """Attend, maybe with relative positions (Shaw et al. 2018, arXiv:1803.02155).

    Written as matrix products, which counters see, where fused attention is counted as nothing.

    Args:
        q: Queries [n, tokens, heads * head_dim]; ``k`` and ``v`` alike.
        k: Keys.
        v: Values.
        head_dim: Features of a head.
        positions: Relative positions of keys and of values, [tokens, tokens, head_dim] each.

    Returns:
        [n, tokens, heads * head_dim].
    """
    n, tokens, features = q.shape
    heads = features // head_dim
    q, k, v = (x.reshape(n, tokens, heads, head_dim).transpose(1, 2) for x in (q, k, v))
    q = q * head_dim**-0.5
    scores = q @ k.transpose(2, 3)
    if positions is not None:
        scores = scores + _by_token(q, positions[0].transpose(1, 2))
    weights = scores.softmax(-1)
    made = weights @ v
    if positions is not None:
        made = made + _by_token(weights, positions[1])
    return made.transpose(1, 2).reshape(n, tokens, features)


def _by_token(x: Tensor, matrices: Tensor) -> Tensor:
    """Multiply every token of ``x`` [n, heads, tokens, a] by its matrix of [tokens, a, b]."""
    n, heads, tokens, _ = x.shape
    flat = x.permute(2, 0, 1, 3).reshape(tokens, n * heads, -1)
    return (flat @ matrices).transpose(0, 1).reshape(n, heads, tokens, -1)
