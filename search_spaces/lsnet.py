"""LSNet (Wang et al. 2025, arXiv:2503.23135, section 3.3): widths and depths as choices.

Blocks alternate: a depthwise mixer, then a large-small convolution, in the last stage attention;
every one is followed by a channel mixer.
"""

from __future__ import annotations

from collections.abc import Sequence

from search_spaces.arguments import require_positive, require_probability
from search_spaces.blocks import (
    BlockSpec,
    ChannelMixer,
    Conv,
    DepthwiseMixer,
    Head,
    LSConv,
    MapAttention,
    MBConv,
)
from search_spaces.builder import SpaceBuilder
from search_spaces.errors import SpaceError
from search_spaces.registry import register_space
from search_spaces.rounding import make_divisible
from search_spaces.space import SearchSpace
from search_spaces.stages import map_hw

__all__ = ["lsnet"]

STEM_STRIDE, EXPANSION, SHARING, HEADS, KEY_DIM = 8, 2, 8, 4, 16
WIDTHS = ((64, 96, 128), (128, 192, 256), (256, 320, 384), (384, 448, 512))
DEPTHS = ((0, 1, 4), (2, 6), (8,), (10,))
"""Channels and blocks of the stages of the published networks T, S and B."""


def _mixer(width: int, hw: int, index: int, *, attends: bool) -> BlockSpec:
    """Return what mixes the pixels in a block of a stage."""
    if index % 2 == 0:
        return DepthwiseMixer(width, hw, se=make_divisible(width / 4))
    if attends:
        return MapAttention(width, hw, HEADS, KEY_DIM, width // HEADS)
    return LSConv(width, width // 2, hw, kernels=width // SHARING)


@register_space("lsnet")
def lsnet(
    classes: int = 1000,
    resolutions: Sequence[int] = (224,),
    widths: Sequence[Sequence[int]] = WIDTHS,
    depths: Sequence[Sequence[int]] = DEPTHS,
    dropout: float = 0.0,
) -> SearchSpace:
    """Widths and depths of LSNet's four stages (Wang et al. 2025).

    Args:
        classes: Outputs.
        resolutions: Input heights = widths.
        widths: Channels that each of the four stages may have, multiples of 8.
        depths: Blocks that each of the four stages may have.
        dropout: Before the classifier.

    Raises:
        SpaceError: There are not four stages, or a width cannot be shared out.
    """
    require_positive(classes=classes, resolutions=resolutions)
    require_probability(dropout=dropout)
    if {len(widths), len(depths)} != {len(WIDTHS)}:
        raise SpaceError(
            f"widths and depths must name {len(WIDTHS)} stages, got {len(widths)} and "
            f"{len(depths)}."
        )
    if uneven := [w for stage in widths for w in stage if w % SHARING or w < SHARING]:
        raise SpaceError(f"Widths must be multiples of {SHARING}, got {uneven}.")
    builder = SpaceBuilder("lsnet")
    r = builder.choice("resolution", resolutions)
    w = builder.choice("width_1", widths[0])
    _add_stem(builder, r, w)
    for s, options in enumerate(depths, start=1):
        reduction = STEM_STRIDE * 2 ** (s - 1)
        if s > 1:
            before, w = w, builder.choice(f"width_{s}", widths[s - 1])
            builder.slot(
                f"merge{s}",
                reads=(r, before, w),
                block=lambda r, before, w, n=reduction // 2: MBConv(
                    before, w, before, map_hw(r, n), stride=2, act=None, expand_conv=False
                ),
            )
        _add_stage(builder, s, (r, w), options, reduction)
    builder.slot(
        "head",
        reads=(r, w),
        block=lambda r, w: Head(w, classes, map_hw(r, reduction), dropout=dropout, norm=True),
    )
    return builder.build()


def _add_stem(builder: SpaceBuilder, resolution: str, width: str) -> None:
    """Declare the three convolutions that reduce the image."""
    for i, (before, after, act) in enumerate(((0, 4, "relu"), (4, 2, "relu"), (2, 1, None)), 1):
        builder.slot(
            f"stem{i}",
            reads=(resolution, width),
            block=lambda r, w, i=i, before=before, after=after, act=act: Conv(
                w // before if before else 3,
                w // after,
                map_hw(r, 2 ** (i - 1)),
                kernel=3,
                stride=2,
                act=act,
            ),
        )


def _add_stage(
    builder: SpaceBuilder, s: int, reads: tuple[str, str], depths: Sequence[int], reduction: int
) -> None:
    """Declare depth and slots of one stage."""
    d = builder.choice(f"depth_{s}", depths)
    attends = s == len(WIDTHS)
    for b in range(max(depths)):
        builder.slot(
            f"stage{s}.{b}.pixels",
            reads=(*reads, d),
            block=lambda r, w, d, b=b: (
                _mixer(w, map_hw(r, reduction), b, attends=attends) if b < d else None
            ),
        )
        builder.slot(
            f"stage{s}.{b}.channels",
            reads=(*reads, d),
            block=lambda r, w, d, b=b: (
                ChannelMixer(w, EXPANSION * w, map_hw(r, reduction)) if b < d else None
            ),
        )
