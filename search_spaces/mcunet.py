"""MCUNet's space for microcontrollers (TinyNAS; Lin et al. 2020, arXiv:2007.10319, section 3.1).

Once-for-all's ProxylessNAS network at a small width and a small resolution, which are choices for
the whole network, with elastic depth, kernels and expansions in its stages.
"""

from __future__ import annotations

from collections.abc import Sequence

from search_spaces.arguments import require_positive, require_probability
from search_spaces.blocks import Conv, Head, MBConv, conv_hw
from search_spaces.builder import SpaceBuilder
from search_spaces.registry import register_space
from search_spaces.rounding import make_divisible
from search_spaces.space import SearchSpace
from search_spaces.stages import map_hw

__all__ = ["mcunet"]

DEPTHS = (2, 3, 4)
KERNELS = (3, 5, 7)
EXPANSIONS = (3, 4, 5, 6)
STEM, FIRST, LAST = 32, 16, 320
STAGES = ((24, 2), (40, 2), (80, 2), (96, 1), (192, 2))
"""Channels at width 1 and stride of the stages with elastic depth."""


def _block(
    hw: int, width: float, kernel: int, expand: int, *, before: int, channels: int, stride: int
) -> MBConv:
    """Return the first block of a stage; channels are those at width 1."""
    cin, cout = make_divisible(before * width), make_divisible(channels * width)
    return MBConv(cin, cout, cin * expand, hw, kernel=kernel, stride=stride, act="relu6")


def _later(hw: int, width: float, kernel: int, expand: int, *, channels: int) -> MBConv:
    """Return a later block of a stage, with a shortcut."""
    c = make_divisible(channels * width)
    return MBConv(c, c, c * expand, hw, kernel=kernel, act="relu6", shortcut=True)


@register_space("mcunet")
def mcunet(
    classes: int = 1000,
    resolutions: Sequence[int] = range(48, 225, 16),
    widths: Sequence[float] = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
    dropout: float = 0.0,
) -> SearchSpace:
    """MCUNet's space for microcontrollers (Lin et al. 2020), all of TinyNAS's spaces in one.

    TinyNAS first fixes a width and a resolution by the device, and then searches; give one of
    each for that. The paper names expansions 3, 4 and 6; its published networks have 5 too.

    Args:
        classes: Outputs.
        resolutions: Input heights = widths.
        widths: Multipliers of all channels.
        dropout: Before the classifier.
    """
    require_positive(classes=classes, resolutions=resolutions, widths=widths)
    require_probability(dropout=dropout)
    builder = SpaceBuilder("mcunet")
    r = builder.choice("resolution", resolutions)
    w = builder.choice("width", widths)
    builder.slot(
        "stem",
        reads=(r, w),
        block=lambda r, w: Conv(3, make_divisible(STEM * w), r, kernel=3, stride=2, act="relu6"),
    )
    builder.slot("first", reads=(r, w), block=_first)
    reduction, before = 2, FIRST
    for s, (channels, stride) in enumerate(STAGES, start=1):
        _add_stage(builder, s, (r, w), before, channels, stride, reduction)
        reduction, before = reduction * stride, channels
    k, e = builder.choice("kernel_6_0", KERNELS), builder.choice("expand_6_0", EXPANSIONS)
    builder.slot(
        "stage6.0",
        reads=(r, w, k, e),
        block=lambda r, w, k, e: _block(
            map_hw(r, 32), w, k, e, before=before, channels=LAST, stride=1
        ),
    )
    builder.slot(
        "head",
        reads=(r, w),
        block=lambda r, w: Head(make_divisible(LAST * w), classes, map_hw(r, 32), dropout=dropout),
    )
    return builder.build()


def _first(resolution: int, width: float) -> MBConv:
    """Return the block without expansion that follows the stem."""
    cin, cout = make_divisible(STEM * width), make_divisible(FIRST * width)
    return MBConv(cin, cout, cin, map_hw(resolution, 2), act="relu6", expand_conv=False)


def _add_stage(
    builder: SpaceBuilder,
    s: int,
    reads: tuple[str, str],
    before: int,
    channels: int,
    stride: int,
    reduction: int,
) -> None:
    """Declare the choices and slots of one stage with elastic depth."""
    d = builder.choice(f"depth_{s}", DEPTHS)
    for b in range(max(DEPTHS)):
        k = builder.choice(f"kernel_{s}_{b}", KERNELS)
        e = builder.choice(f"expand_{s}_{b}", EXPANSIONS)
        if b == 0:
            builder.slot(
                f"stage{s}.0",
                reads=(*reads, k, e),
                block=lambda r, w, k, e: _block(
                    map_hw(r, reduction), w, k, e, before=before, channels=channels, stride=stride
                ),
            )
            continue
        builder.slot(
            f"stage{s}.{b}",
            reads=(*reads, d, k, e),
            block=lambda r, w, d, k, e, b=b: (
                _later(conv_hw(map_hw(r, reduction), stride), w, k, e, channels=channels)
                if b < d
                else None
            ),
        )
