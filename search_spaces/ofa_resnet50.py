"""Once-for-all's ResNet-50 (Cai et al. 2020, arXiv:1908.09791, and its code release).

ResNet-D bottlenecks with elastic depth, inner width per block and a width multiplier for each
of two stem convolutions and four stages.
"""

from __future__ import annotations

from collections.abc import Sequence

from search_spaces.arguments import require_positive, require_probability
from search_spaces.blocks import Bottleneck, Conv, Head, MaxPool
from search_spaces.builder import SpaceBuilder
from search_spaces.registry import register_space
from search_spaces.rounding import make_divisible
from search_spaces.space import SearchSpace
from search_spaces.stages import map_hw

__all__ = ["ofa_resnet50"]

WIDTHS = (0.65, 0.8, 1.0)
EXPANSIONS = (0.2, 0.25, 0.35)
STEM_INNER, STEM = 32, 64
STAGES = ((256, 2, 1), (512, 2, 2), (1024, 4, 2), (2048, 2, 2))
"""Output channels at width 1, smallest depth, stride."""

EXTRA_BLOCKS = 2


def _block(cin: int, cout: int, expand: float, hw: int, stride: int, project: bool) -> Bottleneck:
    """Return a bottleneck; its inner width is a share of the output's."""
    mid = make_divisible(cout * expand)
    return Bottleneck(cin, cout, mid, hw, stride=stride, project=project)


@register_space("ofa_resnet50")
def ofa_resnet50(
    classes: int = 1000,
    resolutions: Sequence[int] = (128, 144, 160, 176, 192, 224, 240, 256),
    dropout: float = 0.0,
) -> SearchSpace:
    """Once-for-all ResNet-50 (Cai et al. 2020).

    ``stem_residual`` and ``depth_s`` say what is there; the published configurations count
    what is skipped, and give widths as positions in (0.65, 0.8, 1.0). The inner width of the
    stem is 24 for both smaller multipliers, so only two of its three options differ: of the
    published 2,458,914,796,962 configurations at one resolution two thirds are different
    networks, which `SearchSpace.size` counts.

    Args:
        classes: Outputs.
        resolutions: Input heights = widths.
        dropout: Before the classifier.
    """
    require_positive(classes=classes, resolutions=resolutions)
    require_probability(dropout=dropout)
    builder = SpaceBuilder("ofa_resnet50")
    r = builder.choice("resolution", resolutions)
    residual = builder.choice("stem_residual", ("no", "yes"))
    inner = builder.choice("width_stem_inner", WIDTHS)
    before = builder.choice("width_stem", WIDTHS)
    _stem(builder, (r, residual, inner, before))
    channels, reduction = STEM, 4
    for s, (width, least, stride) in enumerate(STAGES, start=1):
        w = builder.choice(f"width_{s}", WIDTHS)
        d = builder.choice(f"depth_{s}", range(least, least + EXTRA_BLOCKS + 1))
        for b in range(least + EXTRA_BLOCKS):
            e = builder.choice(f"expand_{s}_{b}", EXPANSIONS)
            if b == 0:
                builder.slot(
                    f"stage{s}.0",
                    reads=(r, e, before, w),
                    block=lambda r, e, u, w, c=channels, width=width, n=reduction, t=stride: (
                        _block(_scaled(c, u), _scaled(width, w), e, map_hw(r, n), t, True)
                    ),
                )
                reduction *= stride
            else:
                builder.slot(
                    f"stage{s}.{b}",
                    reads=(r, d, e, w),
                    block=lambda r, d, e, w, b=b, width=width, n=reduction: (
                        _block(_scaled(width, w), _scaled(width, w), e, map_hw(r, n), 1, False)
                        if b < d
                        else None
                    ),
                )
        before, channels = w, width
    builder.slot(
        "head",
        reads=(r, before),
        block=lambda r, w: Head(_scaled(channels, w), classes, map_hw(r, 32), dropout=dropout),
    )
    return builder.build()


def _stem(builder: SpaceBuilder, reads: tuple[str, str, str, str]) -> None:
    """Declare the three convolutions and the max pool before the stages."""
    r, residual, inner, outer = reads
    builder.slot(
        "stem",
        reads=(r, inner),
        block=lambda r, v: Conv(3, _scaled(STEM_INNER, v), r, kernel=3, stride=2),
    )
    builder.slot(
        "stem_residual",
        reads=(r, residual, inner),
        block=lambda r, present, v: _residual(r, v) if present == "yes" else None,
    )
    builder.slot(
        "stem_out",
        reads=(r, inner, outer),
        block=lambda r, v, w: Conv(
            _scaled(STEM_INNER, v), _scaled(STEM, w), map_hw(r, 2), kernel=3
        ),
    )
    builder.slot(
        "pool", reads=(r, outer), block=lambda r, w: MaxPool(_scaled(STEM, w), map_hw(r, 2))
    )


def _residual(resolution: int, width: float) -> Conv:
    """Return the stem's convolution with a shortcut."""
    channels = _scaled(STEM_INNER, width)
    return Conv(channels, channels, map_hw(resolution, 2), kernel=3, shortcut=True)


def _scaled(channels: int, width: float) -> int:
    """Return channels at a width multiplier."""
    return make_divisible(channels * width)
