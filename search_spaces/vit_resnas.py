"""ViT-ResNAS's multi-stage vision transformers (Liao et al. 2021, arXiv:2109.00642, and its code).

Three convolutions and patches of their map; three stages of transformer layers without
relative positions, a residual spatial reduction between every two of them. Widths belong to
stages, heads and perceptrons to layers, and every second layer can be left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from search_spaces.arguments import require_positive, require_probability
from search_spaces.blocks import (
    Conv,
    NodeSum,
    PatchEmbed,
    SpatialReduction,
    TokenHead,
    TransformerLayer,
    conv_hw,
)
from search_spaces.builder import SpaceBuilder
from search_spaces.errors import SpaceError, nearest
from search_spaces.registry import register_space
from search_spaces.space import SearchSpace

__all__ = ["vit_resnas"]

STEM = 24


class _Stage(NamedTuple):
    """Options of a stage, and the features of its heads."""

    embed_dims: tuple[int, ...]
    heads: tuple[int, ...]
    mlp_dims: tuple[int, ...]
    head_dim: int


class _Size(NamedTuple):
    """Options of one published space; every second of the layers can be left out."""

    layers: int
    stages: tuple[_Stage, ...]


SIZES = {
    "tiny": _Size(
        6,
        (
            _Stage((160, 176, 192, 224, 256), (3, 4, 5, 6), tuple(range(384, 769, 64)), 32),
            _Stage((320, 352, 384, 448, 512), (6, 8, 10, 12), tuple(range(768, 1537, 128)), 48),
            _Stage((640, 704, 768, 896, 1024), (6, 8, 10, 12), tuple(range(1536, 3073, 256)), 64),
        ),
    ),
    "small": _Size(
        7,
        (
            _Stage((200, 220, 240, 280, 320), (5, 6, 7, 8), tuple(range(480, 961, 80)), 32),
            _Stage((400, 440, 480, 560, 640), (10, 12, 14, 16), tuple(range(960, 1921, 160)), 48),
            _Stage(
                (800, 880, 960, 1120, 1280), (10, 12, 14, 16), tuple(range(1920, 3841, 320)), 64
            ),
        ),
    ),
}


@register_space("vit_resnas")
def vit_resnas(
    size: str = "tiny",
    classes: int = 1000,
    resolution: int = 224,
    patch: int = 14,
    channels: int = 3,
    dropout: float = 0.0,
    width: float = 1.0,
) -> SearchSpace:
    """ViT-ResNAS (Liao et al. 2021): widths of stages, heads, perceptrons and number of layers.

    Args:
        size: "tiny" (where ViT-ResNAS-Tiny is from) or "small" (where Small and Medium are).
        classes: Outputs.
        resolution: Input height = width; half of it is a multiple of half the patch.
        patch: Height = width of a patch on the image, even.
        channels: Of the image.
        dropout: Before the classifier.
        width: Multiplies the features of tokens, heads and perceptrons.
    """
    if size not in SIZES:
        raise SpaceError(f"There is no ViT-ResNAS space of size {size!r}. {nearest(size, SIZES)}")
    require_positive(classes=classes, resolution=resolution, patch=patch, channels=channels)
    require_positive(width=width)
    require_probability(dropout=dropout)
    if patch % 2:
        raise SpaceError(f"patch must be even, got {patch}: the convolutions before halve it.")
    layers, stages = SIZES[size].layers, [_scaled(stage, width) for stage in SIZES[size].stages]
    builder = SpaceBuilder("vit_resnas")
    half = _stem(builder, channels, resolution)
    embed_dim = builder.choice("embed_dim_1", stages[0].embed_dims)
    embed = partial(PatchEmbed, STEM, hw=half, patch=patch // 2)
    tokens = embed(1).out_shape[0]
    builder.slot("embed", reads=(embed_dim,), block=embed)
    for s, stage in enumerate(stages, start=1):
        if s > 1:
            before, embed_dim = embed_dim, builder.choice(f"embed_dim_{s}", stage.embed_dims)
            reduction = partial(SpatialReduction, tokens=tokens)
            builder.slot(f"reduce{s - 1}", reads=(before, embed_dim), block=reduction)
            tokens = reduction(1, 1).out_shape[0]
        for b in range(layers):
            _layer(builder, f"{s}_{b}", stage, embed_dim, tokens, optional=b % 2 == 1)
    builder.slot(
        "head",
        reads=(embed_dim,),
        block=lambda d: TokenHead(d, classes, tokens, pool="class", dropout=dropout),
    )
    return builder.build()


def _stem(builder: SpaceBuilder, channels: int, resolution: int) -> int:
    """Declare three convolutions, the last two with a shortcut; return their map's side."""
    half = conv_hw(resolution, 2)
    builder.slot("stem1", block=lambda: Conv(channels, STEM, resolution, kernel=3, stride=2))
    builder.slot("stem2", block=lambda: Conv(STEM, STEM, half, kernel=3))
    builder.slot("stem3", block=lambda: Conv(STEM, STEM, half, kernel=3))
    builder.slot("stem_sum", inputs=("stem1", "stem3"), block=lambda: NodeSum(STEM, half))
    return half


def _layer(
    builder: SpaceBuilder, name: str, stage: _Stage, embed_dim: str, tokens: int, *, optional: bool
) -> None:
    """Declare the choices and the slot of one layer."""
    heads = builder.choice(f"heads_{name}", stage.heads)
    mlp_dim = builder.choice(f"mlp_dim_{name}", stage.mlp_dims)
    block = partial(TransformerLayer, tokens=tokens, head_dim=stage.head_dim, relative=False)
    reads = (embed_dim, heads, mlp_dim)
    slot = f"stage{name.replace('_', '.')}"
    if not optional:
        builder.slot(slot, reads=reads, block=block)
        return
    present = builder.choice(f"layer_{name}", ("no", "yes"))
    builder.slot(
        slot,
        reads=(present, *reads),
        block=lambda present, *sizes: block(*sizes) if present == "yes" else None,
    )


def _scaled(stage: _Stage, width: float) -> _Stage:
    """Return a stage with its features at a width multiplier."""

    def scaled(features: Sequence[int]) -> tuple[int, ...]:
        return tuple(max(1, round(f * width)) for f in features)

    return stage._replace(
        embed_dims=scaled(stage.embed_dims),
        mlp_dims=scaled(stage.mlp_dims),
        head_dim=scaled([stage.head_dim])[0],
    )
