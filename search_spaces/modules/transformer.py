"""Vision transformer blocks in torch: patches, layers and head (Chen et al. 2021)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from search_spaces.blocks import PatchEmbed, TokenHead, TransformerLayer
from search_spaces.errors import SpaceError
from search_spaces.modules.block import ElasticBlock, register_modules
from search_spaces.modules.elastic import ElasticLinear, Part
from search_spaces.modules.layers import LayerNorm, TokenLinear, TokenTable
from search_spaces.modules.tokens import (
    ElasticLayerNorm,
    ElasticRelativePosition,
    ElasticTokenTable,
    RelativePosition,
    attention,
    token_linear,
)

__all__ = [
    "ElasticPatchEmbed",
    "ElasticTokenHead",
    "ElasticTransformerLayer",
    "StaticPatchEmbed",
    "StaticTokenHead",
    "StaticTransformerLayer",
]


def _patches(x: Tensor, side: int) -> Tensor:
    """Return square patches [n, (h / side) (w / side), c side side] of ``x`` [n, c, h, w]."""
    n, c, h, w = x.shape
    x = x.reshape(n, c, h // side, side, w // side, side).permute(0, 2, 4, 1, 3, 5)
    return x.reshape(n, (h // side) * (w // side), c * side * side)


def _embed(x: Tensor, class_token: Tensor, position: Tensor) -> Tensor:
    """Put the class token before the patches and add the positions."""
    return torch.cat([class_token.expand(x.shape[0], 1, -1), x], dim=1) + position


class StaticPatchEmbed(nn.Module):
    """The plain module of a `PatchEmbed`."""

    def __init__(self, spec: PatchEmbed) -> None:
        super().__init__()
        self.patch = spec.patch
        self.project = TokenLinear(spec.cin * spec.patch**2, spec.cout)
        self.class_token = TokenTable(1, spec.cout)
        self.position = TokenTable(spec.tokens, spec.cout)

    def forward(self, x: Tensor) -> Tensor:
        """Map images [n, cin, hw, hw] to tokens [n, tokens, cout]."""
        x = self.project(_patches(x, self.patch))
        return _embed(x, self.class_token.weight, self.position.weight)


class ElasticPatchEmbed(ElasticBlock):
    """Elastic twin of `StaticPatchEmbed`; features are leading ones."""

    def __init__(self, blocks: Sequence[PatchEmbed], generator: torch.Generator) -> None:
        super().__init__()
        first = blocks[0]
        _require_equal(blocks, "cin", "hw", "patch")
        cout = max(block.cout for block in blocks)
        self.project = token_linear(first.cin * first.patch**2, cout, generator)
        self.class_token = ElasticTokenTable(1, cout, generator)
        self.position = ElasticTokenTable(first.tokens, cout, generator)

    def forward(self, x: Tensor, spec: PatchEmbed) -> Tensor:
        """Run one block on images [n, cin, hw, hw]."""
        x = self.project(_patches(x, spec.patch), spec.cout)
        return _embed(x, self.class_token(spec.cout), self.position(spec.cout))

    def parts(self, spec: PatchEmbed) -> Sequence[Part]:
        """Return projection, class token and positions with their sizes."""
        return [
            ("project", self.project, (spec.cin * spec.patch**2, spec.cout)),
            ("class_token", self.class_token, (spec.cout,)),
            ("position", self.position, (spec.cout,)),
        ]


class StaticTransformerLayer(nn.Module):
    """The plain module of a `TransformerLayer`."""

    def __init__(self, spec: TransformerLayer) -> None:
        super().__init__()
        self.head_dim = spec.head_dim
        features = spec.heads * spec.head_dim
        self.norm_1 = LayerNorm(spec.cin)
        self.q = TokenLinear(spec.cin, features)
        self.k = TokenLinear(spec.cin, features)
        self.v = TokenLinear(spec.cin, features)
        self.position_k = RelativePosition(spec.tokens, spec.head_dim, spec.distance)
        self.position_v = RelativePosition(spec.tokens, spec.head_dim, spec.distance)
        self.project = TokenLinear(features, spec.cin)
        self.norm_2 = LayerNorm(spec.cin)
        self.expand = TokenLinear(spec.cin, spec.mid)
        self.reduce = TokenLinear(spec.mid, spec.cin)

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens [n, tokens, cin] to tokens."""
        y = self.norm_1(x)
        positions = self.position_k(), self.position_v()
        y = attention(self.q(y), self.k(y), self.v(y), *positions, self.head_dim)
        x = x + self.project(y)
        inner = functional.gelu(self.expand(self.norm_2(x)))
        made: Tensor = x + self.reduce(inner)
        return made


class ElasticTransformerLayer(ElasticBlock):
    """Elastic twin of `StaticTransformerLayer`: leading features, leading heads.

    Queries, keys and values have tensors of their own, so that a smaller layer uses the same
    whole heads of all three, weights and biases alike. The code of the paper keeps them in one
    tensor and takes weights head by head, but biases by a plain prefix (its issue 121).
    """

    def __init__(self, blocks: Sequence[TransformerLayer], generator: torch.Generator) -> None:
        super().__init__()
        _require_equal(blocks, "tokens", "head_dim", "distance")
        first = blocks[0]
        cin, mid = max(b.cin for b in blocks), max(b.mid for b in blocks)
        features = max(b.heads for b in blocks) * first.head_dim
        table = (first.tokens, first.head_dim, first.distance)
        self.norm_1 = ElasticLayerNorm(cin)
        self.q = token_linear(cin, features, generator)
        self.k = token_linear(cin, features, generator)
        self.v = token_linear(cin, features, generator)
        self.position_k = ElasticRelativePosition(*table, generator)
        self.position_v = ElasticRelativePosition(*table, generator)
        self.project = token_linear(features, cin, generator)
        self.norm_2 = ElasticLayerNorm(cin)
        self.expand = token_linear(cin, mid, generator)
        self.reduce = token_linear(mid, cin, generator)

    def forward(self, x: Tensor, spec: TransformerLayer) -> Tensor:
        """Run one block on tokens [n, tokens, cin]."""
        features = spec.heads * spec.head_dim
        y = self.norm_1(x)
        q, k, v = self.q(y, features), self.k(y, features), self.v(y, features)
        y = attention(q, k, v, self.position_k(), self.position_v(), spec.head_dim)
        x = x + self.project(y, spec.cin)
        inner = functional.gelu(self.expand(self.norm_2(x), spec.mid))
        made: Tensor = x + self.reduce(inner, spec.cin)
        return made

    def parts(self, spec: TransformerLayer) -> Sequence[Part]:
        """Return norms, linear layers and tables with their sizes."""
        features = spec.heads * spec.head_dim
        linears: list[tuple[str, ElasticLinear, int, int]] = [
            ("q", self.q, spec.cin, features),
            ("k", self.k, spec.cin, features),
            ("v", self.v, spec.cin, features),
            ("project", self.project, features, spec.cin),
            ("expand", self.expand, spec.cin, spec.mid),
            ("reduce", self.reduce, spec.mid, spec.cin),
        ]
        return [
            ("norm_1", self.norm_1, (spec.cin,)),
            ("norm_2", self.norm_2, (spec.cin,)),
            ("position_k", self.position_k, ()),
            ("position_v", self.position_v, ()),
            *((name, layer, (cin, cout)) for name, layer, cin, cout in linears),
        ]


class StaticTokenHead(nn.Module):
    """The plain module of a `TokenHead`."""

    def __init__(self, spec: TokenHead) -> None:
        super().__init__()
        self.norm = LayerNorm(spec.cin)
        self.dropout = nn.Dropout(spec.dropout)
        self.classifier = TokenLinear(spec.cin, spec.classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens [n, tokens, cin] to logits [n, classes]."""
        x = self.norm(x)[:, 1:].mean(1)
        logits: Tensor = self.classifier(self.dropout(x))
        return logits


class ElasticTokenHead(ElasticBlock):
    """Elastic twin of `StaticTokenHead`; features and classes are leading ones."""

    def __init__(self, blocks: Sequence[TokenHead], generator: torch.Generator) -> None:
        super().__init__()
        cin, classes = max(b.cin for b in blocks), max(b.classes for b in blocks)
        self.norm = ElasticLayerNorm(cin)
        self.classifier = token_linear(cin, classes, generator)

    def forward(self, x: Tensor, spec: TokenHead) -> Tensor:
        """Run one block on tokens [n, tokens, cin]."""
        x = self.norm(x)[:, 1:].mean(1)
        x = functional.dropout(x, spec.dropout, self.training)
        logits: Tensor = self.classifier(x, spec.classes)
        return logits

    def parts(self, spec: TokenHead) -> Sequence[Part]:
        """Return norm and classifier with their sizes."""
        return [
            ("norm", self.norm, (spec.cin,)),
            ("classifier", self.classifier, (spec.cin, spec.classes)),
        ]


def _require_equal(blocks: Sequence[PatchEmbed] | Sequence[TransformerLayer], *names: str) -> None:
    """Refuse blocks of one slot that differ in a field that cannot be sliced.

    Raises:
        SpaceError: They do; the message names the field.
    """
    for name in names:
        if len(values := sorted({getattr(block, name) for block in blocks})) > 1:
            raise SpaceError(
                f"{type(blocks[0]).__name__} blocks of one slot cannot share weights with "
                f"different {name}: {values}. Put {name!r} in the slot's separate_weights."
            )


register_modules(PatchEmbed, plain=StaticPatchEmbed, elastic=ElasticPatchEmbed)
register_modules(TransformerLayer, plain=StaticTransformerLayer, elastic=ElasticTransformerLayer)
register_modules(TokenHead, plain=StaticTokenHead, elastic=ElasticTokenHead)
