"""Vision transformer blocks in torch: patches, layers and head (Chen et al. 2021)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from search_spaces.blocks import PatchEmbed, TokenHead, TransformerLayer
from search_spaces.modules.block import ElasticBlock, register_modules, require_equal
from search_spaces.modules.channels import ChannelGroup
from search_spaces.modules.elastic import ElasticLinear, Part, Region
from search_spaces.modules.layers import LayerNorm, TokenLinear, TokenTable
from search_spaces.modules.regularise import drop, drop_path
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


_QKV = ("q", "k", "v")


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
        require_equal(blocks, "cin", "hw", "patch")
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
        self.relative = spec.relative
        if spec.relative:
            self.position_k = RelativePosition(spec.tokens, spec.head_dim, spec.distance)
            self.position_v = RelativePosition(spec.tokens, spec.head_dim, spec.distance)
        self.project = TokenLinear(features, spec.cin)
        self.norm_2 = LayerNorm(spec.cin)
        self.expand = TokenLinear(spec.cin, spec.mid)
        self.reduce = TokenLinear(spec.mid, spec.cin)

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens [n, tokens, cin] to tokens."""
        y = self.norm_1(x)
        positions = (self.position_k(), self.position_v()) if self.relative else None
        y = attention(self.q(y), self.k(y), self.v(y), self.head_dim, positions)
        x = x + self.project(y)
        inner = functional.gelu(self.expand(self.norm_2(x)))
        made: Tensor = x + self.reduce(inner)
        return made


class ElasticTransformerLayer(ElasticBlock):
    """Elastic twin of `StaticTransformerLayer`: leading features, leading heads.

    Queries, keys and values have tensors of their own, so that a smaller layer uses the same
    whole heads of all three, weights and biases alike. The code of the paper keeps them in one
    tensor and takes weights head by head, but biases by a plain prefix (its issue 121): with
    ``prefix_bias`` the biases are one vector here too, and what a layer of fewer heads adds to
    its keys is what one of more heads adds to its last queries.
    """

    def __init__(self, blocks: Sequence[TransformerLayer], generator: torch.Generator) -> None:
        super().__init__()
        require_equal(blocks, "tokens", "head_dim", "distance", "relative", "prefix_bias")
        first = blocks[0]
        cin, mid = max(b.cin for b in blocks), max(b.mid for b in blocks)
        features = max(b.heads for b in blocks) * first.head_dim
        table = (first.tokens, first.head_dim, first.distance)
        self.norm_1 = ElasticLayerNorm(cin)
        own_bias = not first.prefix_bias
        self.q = token_linear(cin, features, generator, bias=own_bias)
        self.k = token_linear(cin, features, generator, bias=own_bias)
        self.v = token_linear(cin, features, generator, bias=own_bias)
        self.qkv_bias = nn.Parameter(torch.zeros(3 * features)) if first.prefix_bias else None
        self.relative = first.relative
        if first.relative:
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
        biases = self._prefix_biases(features)
        q, k, v = (getattr(self, name)(y, features, biases.get(name, True)) for name in _QKV)
        positions = (self.position_k(), self.position_v()) if self.relative else None
        y = attention(q, k, v, spec.head_dim, positions)
        x = x + drop_path(self.project(y, spec.cin), self.training)
        inner = functional.gelu(self.expand(self.norm_2(x), spec.mid))
        made: Tensor = x + drop_path(self.reduce(inner, spec.cin), self.training)
        return made

    def channel_groups(self) -> Sequence[ChannelGroup]:
        """Return the hidden features of the multi-layer perceptron."""
        axes = {"expand.weight": 0, "expand.bias": 0, "reduce.weight": 1}
        return [ChannelGroup(axes, "reduce.weight", lambda spec: int(spec.mid))]

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
        tables: list[Part] = []
        if self.relative:
            tables = [("position_k", self.position_k, ()), ("position_v", self.position_v, ())]
        return [
            ("norm_1", self.norm_1, (spec.cin,)),
            ("norm_2", self.norm_2, (spec.cin,)),
            *tables,
            *((name, layer, (cin, cout)) for name, layer, cin, cout in linears),
        ]

    def active(self, spec: TransformerLayer) -> dict[str, Region]:
        """Return the region of every parameter; a shared vector of biases has a prefix."""
        regions = super().active(spec)
        if self.qkv_bias is not None:
            regions["qkv_bias"] = (slice(0, 3 * spec.heads * spec.head_dim),)
        return regions

    def weights(self, spec: TransformerLayer) -> dict[str, Tensor]:
        """Return the state dict of the plain layer, which has three biases."""
        biases = self._prefix_biases(spec.heads * spec.head_dim)
        shared = {f"{name}.bias": bias.detach() for name, bias in biases.items()}
        return super().weights(spec) | shared

    def _prefix_biases(self, features: int) -> dict[str, Tensor]:
        """Return the biases of queries, keys and values where one vector holds them all."""
        if self.qkv_bias is None:
            return {}
        parts = self.qkv_bias[: 3 * features].view(3, features)
        return dict(zip(_QKV, parts, strict=True))


def _pooled(x: Tensor, pool: str) -> Tensor:
    """Return one vector [n, features] of tokens [n, tokens, features]; see `TokenHead`."""
    return x[:, :1].flatten(1) if pool == "class" else x[:, 1:].mean(1)


class StaticTokenHead(nn.Module):
    """The plain module of a `TokenHead`."""

    def __init__(self, spec: TokenHead) -> None:
        super().__init__()
        self.pool = spec.pool
        self.norm = LayerNorm(spec.cin)
        self.dropout = nn.Dropout(spec.dropout)
        self.classifier = TokenLinear(spec.cin, spec.classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens [n, tokens, cin] to logits [n, classes]."""
        x = _pooled(self.norm(x), self.pool)
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
        x = _pooled(self.norm(x), spec.pool)
        x = drop(x, spec.dropout, self.training)
        logits: Tensor = self.classifier(x, spec.classes)
        return logits

    def parts(self, spec: TokenHead) -> Sequence[Part]:
        """Return norm and classifier with their sizes."""
        return [
            ("norm", self.norm, (spec.cin,)),
            ("classifier", self.classifier, (spec.cin, spec.classes)),
        ]


register_modules(PatchEmbed, plain=StaticPatchEmbed, elastic=ElasticPatchEmbed)
register_modules(TransformerLayer, plain=StaticTransformerLayer, elastic=ElasticTransformerLayer)
register_modules(TokenHead, plain=StaticTokenHead, elastic=ElasticTokenHead)
