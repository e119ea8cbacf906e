"""mobile_small: an elastic MobileNet-style space for images of 28 to 64 pixels.

Inverted residuals (Sandler et al. 2018) in three stages with elastic depth, kernel,
expansion, stage width and resolution; small enough to train on two CPU cores.
"""

from __future__ import annotations

from collections.abc import Sequence

from search_spaces.arguments import require_positive, require_probability
from search_spaces.blocks import Conv, Head, MBConv, conv_hw
from search_spaces.builder import SpaceBuilder
from search_spaces.registry import register_space
from search_spaces.space import SearchSpace

__all__ = ["mobile_small"]

DEPTHS = (1, 2, 3)
KERNELS = (3, 5)
EXPANSIONS = (2, 3, 4)
STEM = 16
WIDTHS = ((16, 24), (32, 40, 48), (64, 80, 96))
STRIDE = 2
LAST = 256


def _hw(resolution: int, stem_stride: int, stages: int) -> int:
    """Return height = width after the stem and some stages."""
    hw = conv_hw(resolution, stem_stride)
    for _ in range(stages):
        hw = conv_hw(hw, STRIDE)
    return hw


def _first(hw: int, kernel: int, expand: int, cin: int, cout: int) -> MBConv:
    """Return the first block of a stage, which changes resolution and width."""
    return MBConv(cin, cout, cin * expand, hw, kernel=kernel, stride=STRIDE)


def _later(hw: int, kernel: int, expand: int, width: int) -> MBConv:
    """Return a later block of a stage, with a shortcut."""
    return MBConv(width, width, width * expand, hw, kernel=kernel, shortcut=True)


@register_space("mobile_small")
def mobile_small(
    classes: int = 10,
    channels: int = 3,
    resolutions: Sequence[int] = (24, 28, 32),
    stem_stride: int = 1,
    dropout: float = 0.0,
) -> SearchSpace:
    """Elastic MobileNet-style space for images of 28 to 64 px.

    Args:
        classes: Outputs.
        channels: Of the image.
        resolutions: Input heights = widths.
        stem_stride: 2 suits images of 48 px and more.
        dropout: Before the classifier.
    """
    require_positive(classes=classes, channels=channels, resolutions=resolutions)
    require_positive(stem_stride=stem_stride)
    require_probability(dropout=dropout)
    builder = SpaceBuilder("mobile_small")
    r = builder.choice("resolution", resolutions)
    builder.slot(
        "stem",
        reads=(r,),
        block=lambda r: Conv(channels, STEM, r, kernel=3, stride=stem_stride),
    )
    before: tuple[str, ...] = ()  # the width choice of the stage before; the stem has none
    for s, widths in enumerate(WIDTHS):
        w = builder.choice(f"width_{s + 1}", widths)
        d = builder.choice(f"depth_{s + 1}", DEPTHS)
        for b in range(max(DEPTHS)):
            k = builder.choice(f"kernel_{s + 1}_{b}", KERNELS)
            e = builder.choice(f"expand_{s + 1}_{b}", EXPANSIONS)
            if b == 0:
                builder.slot(
                    f"stage{s + 1}.0",
                    reads=(r, k, e, *before, w),
                    block=lambda r, k, e, *widths, s=s: _first(
                        _hw(r, stem_stride, s), k, e, *(STEM, *widths)[-2:]
                    ),
                )
            else:
                builder.slot(
                    f"stage{s + 1}.{b}",
                    reads=(r, d, k, e, w),
                    block=lambda r, d, k, e, w, s=s, b=b: (
                        _later(_hw(r, stem_stride, s + 1), k, e, w) if b < d else None
                    ),
                )
        before = (w,)
    stages = len(WIDTHS)
    builder.slot(
        "final",
        reads=(r, *before),
        block=lambda r, w: Conv(w, LAST, _hw(r, stem_stride, stages)),
    )
    builder.slot(
        "head",
        reads=(r,),
        block=lambda r: Head(LAST, classes, _hw(r, stem_stride, stages), dropout=dropout),
    )
    return builder.build()
