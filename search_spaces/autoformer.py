"""AutoFormer's vision transformers (Chen et al. 2021, arXiv:2107.00651, table 1, and its code).

All tokens of a network have one width; every layer chooses its heads (64 features each) and
the ratio of its perceptron. Weights are entangled: a choice is a leading slice of the largest.
PreNAS (Wang et al. 2023, arXiv:2304.14636) prefers networks of the same spaces.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from search_spaces.arguments import require_positive, require_probability
from search_spaces.blocks import PatchEmbed, TokenHead, TransformerLayer
from search_spaces.builder import SpaceBuilder
from search_spaces.errors import SpaceError, nearest
from search_spaces.registry import register_space
from search_spaces.space import SearchSpace

__all__ = ["autoformer"]


class _Size(NamedTuple):
    """Options of one published space."""

    embed_dims: Sequence[int]
    mlp_ratios: Sequence[float]
    heads: Sequence[int]
    depths: Sequence[int]


SIZES = {
    "tiny": _Size((192, 216, 240), (3.5, 4.0), (3, 4), (12, 13, 14)),
    "small": _Size((320, 384, 448), (3.0, 3.5, 4.0), (5, 6, 7), (12, 13, 14)),
    "base": _Size((528, 576, 624), (3.0, 3.5, 4.0), (9, 10), (14, 15, 16)),
}


@register_space("autoformer")
def autoformer(
    size: str = "tiny",
    classes: int = 1000,
    resolution: int = 224,
    patch: int = 16,
    channels: int = 3,
    dropout: float = 0.0,
    prefix_bias: bool = False,
    embed_dims: Sequence[int] = (),
    mlp_ratios: Sequence[float] = (),
    heads: Sequence[int] = (),
    depths: Sequence[int] = (),
) -> SearchSpace:
    """AutoFormer (Chen et al. 2021): width, depth, and heads and perceptron of every layer.

    Multiply-accumulates include the products with relative positions, done for every pair of
    tokens as the published code does them: 1.48, 5.16 and 11.69 G for the published networks,
    whose authors print 1.3, 5.1 and 11 G.

    Args:
        size: "tiny", "small" or "base"; gives the options below that are left empty.
        classes: Outputs.
        resolution: Input height = width, a multiple of ``patch``.
        patch: Height = width of a patch.
        channels: Of the image.
        dropout: Before the classifier.
        prefix_bias: Whether fewer heads take a prefix of all biases of queries, keys and
            values, as in the published code and weights, and not the biases of these heads.
        embed_dims: Features of a token.
        mlp_ratios: Features inside the perceptron over those of a token.
        heads: Of the attention of a layer.
        depths: Numbers of layers.
    """
    if size not in SIZES:
        raise SpaceError(f"There is no AutoFormer of size {size!r}. {nearest(size, SIZES)}")
    published = SIZES[size]
    options = _Size(
        embed_dims or published.embed_dims,
        mlp_ratios or published.mlp_ratios,
        heads or published.heads,
        depths or published.depths,
    )
    require_positive(classes=classes, resolution=resolution, patch=patch, channels=channels)
    require_positive(**options._asdict())
    require_probability(dropout=dropout)
    tokens = PatchEmbed(channels, 1, resolution, patch).out_shape[0]
    builder = SpaceBuilder("autoformer")
    width = builder.choice("embed_dim", options.embed_dims)
    depth = builder.choice("depth", options.depths)
    builder.slot(
        "embed", reads=(width,), block=lambda d: PatchEmbed(channels, d, resolution, patch)
    )
    for layer in range(1, max(options.depths) + 1):
        ratio = builder.choice(f"mlp_ratio_{layer}", options.mlp_ratios)
        h = builder.choice(f"heads_{layer}", options.heads)
        builder.slot(
            f"layer{layer}",
            reads=(width, depth, ratio, h),
            block=lambda w, d, r, h, layer=layer: (
                TransformerLayer(w, h, int(w * r), tokens, prefix_bias=prefix_bias)
                if layer <= d
                else None
            ),
        )
    builder.slot(
        "head", reads=(width,), block=lambda d: TokenHead(d, classes, tokens, dropout=dropout)
    )
    return builder.build()
