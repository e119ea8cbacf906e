"""Once-for-all MobileNetV3 (Cai, Gan, Wang, Zhang, Han 2020, arXiv:1908.09791, section 3).

Five stages of up to four inverted residuals with elastic depth {2, 3, 4}, kernel {3, 5, 7}
and expansion {3, 4, 6}, at resolutions from 128 to 224.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from search_spaces.arguments import require_positive, require_probability
from search_spaces.blocks import Conv, Head, MBConv, conv_hw
from search_spaces.builder import SpaceBuilder
from search_spaces.registry import register_space
from search_spaces.rounding import make_divisible
from search_spaces.space import SearchSpace

__all__ = ["ofa_mobilenet_v3"]

DEPTHS = (2, 3, 4)
KERNELS = (3, 5, 7)
EXPANSIONS = (3, 4, 6)


@dataclass(frozen=True)
class Stage:
    """A stage of the network; ``reduction`` is the input resolution over the stage's."""

    cin: int
    cout: int
    stride: int
    act: str
    se: bool
    reduction: int


def _stages(width: float) -> list[Stage]:
    base = (
        (24, 2, "relu", False),
        (40, 2, "relu", True),
        (80, 2, "h_swish", False),
        (112, 1, "h_swish", True),
        (160, 2, "h_swish", True),
    )
    stages = []
    cin, reduction = make_divisible(16 * width), 2
    for channels, stride, act, se in base:
        cout = make_divisible(channels * width)
        stages.append(Stage(cin, cout, stride, act, se, reduction))
        cin, reduction = cout, reduction * stride
    return stages


def _hw(resolution: int, reduction: int) -> int:
    while reduction > 1:
        resolution, reduction = conv_hw(resolution, 2), reduction // 2
    return resolution


def _block(
    stage: Stage, index: int, resolution: int, depth: int, kernel: int, expand: int
) -> MBConv | None:
    """Return block ``index`` of a stage; None when the stage is shallower."""
    if index >= depth:
        return None
    first = index == 0
    cin = stage.cin if first else stage.cout
    mid = make_divisible(round(cin * expand))
    hw = _hw(resolution, stage.reduction)
    return MBConv(
        cin,
        stage.cout,
        mid,
        hw if first else conv_hw(hw, stage.stride),
        kernel=kernel,
        stride=stage.stride if first else 1,
        act=stage.act,
        se=make_divisible(mid / 4) if stage.se else 0,
        shortcut=not first,
    )


@register_space("ofa_mobilenet_v3")
def ofa_mobilenet_v3(
    width: float = 1.0,
    classes: int = 1000,
    resolutions: Sequence[int] = range(128, 225, 4),
    dropout: float = 0.1,
) -> SearchSpace:
    """Once-for-all MobileNetV3 (Cai et al. 2020): the supernets of width 1.0 and 1.2.

    Args:
        width: Multiplies all channels; 1.0 and 1.2 are the published ones.
        classes: Outputs.
        resolutions: Input heights = widths; training used 128 to 224 in steps of 4, published
            subnets go up to 260.
        dropout: Before the classifier.
    """
    require_positive(width=width, classes=classes, resolutions=resolutions)
    require_probability(dropout=dropout)
    builder = SpaceBuilder("ofa_mobilenet_v3")
    r = builder.choice("resolution", resolutions)
    stem, last = make_divisible(16 * width), make_divisible(960 * width)
    hidden = make_divisible(1280 * width)
    stages = _stages(width)
    builder.slot(
        "stem",
        reads=(r,),
        block=lambda r: Conv(3, stem, r, kernel=3, stride=2, act="h_swish"),
    )
    builder.slot(
        "first",
        reads=(r,),
        block=lambda r: MBConv(
            stem, stem, stem, _hw(r, 2), act="relu", shortcut=True, expand_conv=False
        ),
    )
    for s, stage in enumerate(stages, start=1):
        d = builder.choice(f"depth_{s}", DEPTHS)
        for b in range(max(DEPTHS)):
            k = builder.choice(f"kernel_{s}_{b}", KERNELS)
            e = builder.choice(f"expand_{s}_{b}", EXPANSIONS)
            builder.slot(f"stage{s}.{b}", reads=(r, d, k, e), block=partial(_block, stage, b))
    cout = stages[-1].cout
    builder.slot("final", reads=(r,), block=lambda r: Conv(cout, last, _hw(r, 32), act="h_swish"))
    builder.slot(
        "head",
        reads=(r,),
        block=lambda r: Head(last, classes, _hw(r, 32), hidden=hidden, dropout=dropout),
    )
    return builder.build()
