"""FasterNet (Chen et al. 2023, arXiv:2303.03667, section 3.3): width and depths as choices."""

from __future__ import annotations

from collections.abc import Sequence

from search_spaces.arguments import require_positive, require_probability
from search_spaces.blocks import Conv, Head, PartialConvBlock
from search_spaces.builder import SpaceBuilder
from search_spaces.errors import SpaceError
from search_spaces.registry import register_space
from search_spaces.space import SearchSpace

__all__ = ["fasternet"]

PATCH, HIDDEN, EXPANSION = 4, 1280, 2
DEPTHS = ((1, 2, 3), (2, 3, 4), (8, 13, 18), (2, 3))
"""Blocks of the stages of the published networks T0 to L."""


def _block(resolution: int, width: int, stage: int, act: str) -> PartialConvBlock:
    """Return a block of a stage; a quarter of its channels is convolved."""
    channels = width * 2**stage
    return PartialConvBlock(
        channels, EXPANSION * channels, _hw(resolution, stage), part=channels // 4, act=act
    )


def _hw(resolution: int, stage: int) -> int:
    """Return height = width inside a stage."""
    return int(resolution // (PATCH * 2**stage))


@register_space("fasternet")
def fasternet(
    classes: int = 1000,
    resolutions: Sequence[int] = (224,),
    widths: Sequence[int] = (40, 64, 96, 128, 144, 192),
    depths: Sequence[Sequence[int]] = DEPTHS,
    act: str = "relu",
    dropout: float = 0.0,
) -> SearchSpace:
    """Width and depths of FasterNet (Chen et al. 2023).

    Args:
        classes: Outputs.
        resolutions: Input heights = widths, of which 32 is a divisor.
        widths: Channels of the first stage, at least 4; every later one has twice as many.
        depths: Blocks that each of the four stages may have.
        act: Activation; the published T0 and T1 have ``"gelu"``, the others ``"relu"``.
        dropout: Before the classifier.

    Raises:
        SpaceError: A resolution does not divide into tiles, or there are not four stages.
    """
    require_positive(classes=classes, resolutions=resolutions, widths=widths)
    require_probability(dropout=dropout)
    if len(depths) != len(DEPTHS):
        raise SpaceError(f"depths must name {len(DEPTHS)} stages, got {len(depths)}.")
    total = PATCH * 2 ** (len(DEPTHS) - 1)
    if uneven := [r for r in resolutions if r % total]:
        raise SpaceError(f"Resolutions must be multiples of {total}, got {uneven}.")
    builder = SpaceBuilder("fasternet")
    r = builder.choice("resolution", resolutions)
    w = builder.choice("width", widths)
    builder.slot(
        "stem",
        reads=(r, w),
        block=lambda r, w: Conv(3, w, r, kernel=PATCH, stride=PATCH, act=None, padded=False),
    )
    for s, options in enumerate(depths):
        if s:
            builder.slot(
                f"merge{s + 1}",
                reads=(r, w),
                block=lambda r, w, s=s: Conv(
                    w * 2 ** (s - 1),
                    w * 2**s,
                    _hw(r, s - 1),
                    kernel=2,
                    stride=2,
                    act=None,
                    padded=False,
                ),
            )
        d = builder.choice(f"depth_{s + 1}", options)
        for b in range(max(options)):
            builder.slot(
                f"stage{s + 1}.{b}",
                reads=(r, w, d),
                block=lambda r, w, d, s=s, b=b: _block(r, w, s, act) if b < d else None,
            )
    last = len(depths) - 1
    builder.slot(
        "head",
        reads=(r, w),
        block=lambda r, w: Head(
            w * 2**last, classes, _hw(r, last), hidden=HIDDEN, act=act, dropout=dropout
        ),
    )
    return builder.build()
