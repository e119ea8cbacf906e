"""Residual spatial reduction of tokens in torch (Liao et al. 2021, arXiv:2109.00642)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from search_spaces.blocks import SpatialReduction
from search_spaces.modules.block import ElasticBlock, register_modules, require_equal
from search_spaces.modules.elastic import ElasticConv2d, Part
from search_spaces.modules.layers import Conv2d, LayerNorm, TokenLinear, TokenTable
from search_spaces.modules.pool import avg_pool
from search_spaces.modules.tokens import ElasticLayerNorm, ElasticTokenTable, token_linear

__all__ = ["ElasticSpatialReduction", "StaticSpatialReduction"]


def _map(x: Tensor, side: int) -> Tensor:
    """Return the patches of tokens [n, tokens, c] as a map [n, c, side, side]."""
    return x[:, 1:].transpose(1, 2).reshape(x.shape[0], x.shape[2], side, side)


def _tokens(x: Tensor) -> Tensor:
    """Return a map [n, c, h, w] as tokens [n, h * w, c]."""
    n, channels, height, width = x.shape
    return x.reshape(n, channels, height * width).transpose(1, 2)


def _shortcut(x: Tensor, spec: SpatialReduction) -> Tensor:
    """Return what is added: the class token, averaged patches, and zeros behind the features."""
    kept = torch.cat([x[:, :1], _tokens(avg_pool(_map(x, spec.side), 2))], dim=1)
    if spec.cout == spec.cin:
        return kept
    zeros = kept.new_zeros(kept.shape[0], kept.shape[1], spec.cout - spec.cin)
    return torch.cat([kept, zeros], dim=2)


class StaticSpatialReduction(nn.Module):
    """The plain module of a `SpatialReduction`."""

    def __init__(self, spec: SpatialReduction) -> None:
        super().__init__()
        self.spec = spec
        self.norm = LayerNorm(spec.cin)
        self.reduce = Conv2d(spec.cin, spec.cout, 3, 2, 1)
        self.token = TokenLinear(spec.cin, spec.cout)
        self.position = TokenTable(spec.patches, spec.cout)

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens [n, tokens, cin] to fewer tokens of cout features."""
        kept = _shortcut(x, self.spec)
        x = self.norm(x)
        patches = _tokens(self.reduce(_map(x, self.spec.side))) + self.position.weight
        return torch.cat([self.token(x[:, :1]), patches], dim=1) + kept


class ElasticSpatialReduction(ElasticBlock):
    """Elastic twin of `StaticSpatialReduction`; features are leading ones."""

    def __init__(self, blocks: Sequence[SpatialReduction], generator: torch.Generator) -> None:
        super().__init__()
        require_equal(blocks, "tokens")
        cin, cout = max(b.cin for b in blocks), max(b.cout for b in blocks)
        self.norm = ElasticLayerNorm(cin)
        self.reduce = ElasticConv2d(cin, cout, kernel=3, bias=True, generator=generator)
        self.token = token_linear(cin, cout, generator)
        self.position = ElasticTokenTable(blocks[0].patches, cout, generator)

    def forward(self, x: Tensor, spec: SpatialReduction) -> Tensor:
        """Run one block on tokens [n, tokens, cin]."""
        kept = _shortcut(x, spec)
        x = self.norm(x)
        patches = _tokens(self.reduce(_map(x, spec.side), spec.cout, 3, 2))
        patches = patches + self.position(spec.cout)
        return torch.cat([self.token(x[:, :1], spec.cout), patches], dim=1) + kept

    def parts(self, spec: SpatialReduction) -> Sequence[Part]:
        """Return norm, convolution, linear layer and positions with their sizes."""
        return [
            ("norm", self.norm, (spec.cin,)),
            ("reduce", self.reduce, (spec.cin, spec.cout, 3)),
            ("token", self.token, (spec.cin, spec.cout)),
            ("position", self.position, (spec.cout,)),
        ]


register_modules(SpatialReduction, plain=StaticSpatialReduction, elastic=ElasticSpatialReduction)
