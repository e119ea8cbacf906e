"""EfficientNet's compound scaling (Tan, Le 2019, arXiv:1905.11946) as a space.

Resolution, depth and width of the B0 network as three choices for the whole network. TinyNets
(Han et al. 2020, arXiv:2010.14819) scale the same network down by slightly other rules.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from search_spaces.arguments import require_positive, require_probability
from search_spaces.blocks import Conv, Head, MBConv
from search_spaces.builder import SpaceBuilder
from search_spaces.errors import SpaceError, nearest
from search_spaces.registry import register_space
from search_spaces.rounding import make_divisible
from search_spaces.space import SearchSpace
from search_spaces.stages import map_hw

__all__ = ["efficientnet"]

STEM, LAST = 32, 1280


@dataclass(frozen=True)
class Stage:
    """A stage of B0."""

    width: int
    blocks: int
    kernel: int
    stride: int
    expand: int


STAGES = (
    Stage(16, 1, 3, 1, 1),
    Stage(24, 2, 3, 2, 6),
    Stage(40, 2, 5, 2, 6),
    Stage(80, 3, 3, 2, 6),
    Stage(112, 3, 5, 1, 6),
    Stage(192, 4, 5, 2, 6),
    Stage(320, 1, 3, 1, 6),
)


@dataclass(frozen=True)
class Rules:
    """How a family rounds, and what it leaves unscaled."""

    rounds_depth_up: bool
    scales_stem: bool
    smallest_last: int

    def depth(self, blocks: int, multiplier: float) -> int:
        """Return the blocks of a stage."""
        scaled = blocks * multiplier
        return max(1, math.ceil(scaled) if self.rounds_depth_up else round(scaled))

    def stem(self, multiplier: float) -> int:
        """Return the stem's channels."""
        return make_divisible(STEM * multiplier) if self.scales_stem else STEM

    def last(self, multiplier: float) -> int:
        """Return the channels of the last convolution."""
        return max(self.smallest_last, make_divisible(LAST * multiplier))


RULES = {
    "efficientnet": Rules(rounds_depth_up=True, scales_stem=True, smallest_last=0),
    "tinynet": Rules(rounds_depth_up=False, scales_stem=False, smallest_last=LAST),
}


def _block(stage: Stage, cin: int, cout: int, hw: int, stride: int) -> MBConv:
    """Return a block; squeeze-and-excitation has a quarter of the block's input channels."""
    return MBConv(
        cin,
        cout,
        cin * stage.expand,
        hw,
        kernel=stage.kernel,
        stride=stride,
        act="swish",
        se=max(1, round(cin / 4)),
        shortcut=stride == 1 and cin == cout,
        expand_conv=stage.expand != 1,
        se_act="swish",
        se_gate="sigmoid",
    )


def _later(stage: Stage, width: int, hw: int) -> MBConv:
    """Return a block that is not the first of its stage."""
    return _block(stage, width, width, hw, 1)


@register_space("efficientnet")
def efficientnet(
    family: str = "efficientnet",
    classes: int = 1000,
    resolutions: Sequence[int] = (224, 240, 260, 300, 380, 456, 528, 600),
    depths: Sequence[float] = (1.0, 1.1, 1.2, 1.4, 1.8, 2.2, 2.6, 3.1),
    widths: Sequence[float] = (1.0, 1.1, 1.2, 1.4, 1.6, 1.8, 2.0),
    dropout: float = 0.2,
) -> SearchSpace:
    """Resolution, depth and width of EfficientNet (Tan, Le 2019) or TinyNet (Han et al. 2020).

    Args:
        family: ``"efficientnet"`` rounds depth up and scales all widths; ``"tinynet"`` rounds
            depth to the nearest, and keeps the stem and at least the last convolution of B0.
        classes: Outputs.
        resolutions: Input heights = widths; by default those of B0 to B7.
        depths: Multipliers of the blocks of every stage.
        widths: Multipliers of channels.
        dropout: Before the classifier.
    """
    require_positive(classes=classes, resolutions=resolutions, depths=depths, widths=widths)
    require_probability(dropout=dropout)
    if family not in RULES:
        raise SpaceError(f"There is no family {family!r}. {nearest(family, RULES)}")
    rules = RULES[family]
    builder = SpaceBuilder("efficientnet")
    r = builder.choice("resolution", resolutions)
    d = builder.choice("depth", depths)
    w = builder.choice("width", widths)
    builder.slot(
        "stem",
        reads=(r, w),
        block=lambda r, w: Conv(3, rules.stem(w), r, kernel=3, stride=2, act="swish"),
    )
    _add_stages(builder, rules, (r, d, w), max_depth=max(depths))
    top = STAGES[-1].width
    builder.slot(
        "final",
        reads=(r, w),
        block=lambda r, w: Conv(
            make_divisible(top * w), rules.last(w), map_hw(r, 32), act="swish"
        ),
    )
    builder.slot(
        "head",
        reads=(r, w),
        block=lambda r, w: Head(rules.last(w), classes, map_hw(r, 32), dropout=dropout),
    )
    return builder.build()


def _add_stages(
    builder: SpaceBuilder, rules: Rules, reads: tuple[str, str, str], *, max_depth: float
) -> None:
    """Declare the slots of all stages, as many as the deepest network has."""
    r, d, w = reads
    reduction = 2
    for s, stage in enumerate(STAGES, start=1):
        before = STAGES[s - 2].width if s > 1 else 0
        builder.slot(
            f"stage{s}.0",
            reads=(r, w),
            block=lambda r, w, stage=stage, before=before, n=reduction: _block(
                stage,
                make_divisible(before * w) if before else rules.stem(w),
                make_divisible(stage.width * w),
                map_hw(r, n),
                stage.stride,
            ),
        )
        reduction *= stage.stride
        for b in range(1, rules.depth(stage.blocks, max_depth)):
            builder.slot(
                f"stage{s}.{b}",
                reads=(r, d, w),
                block=lambda r, d, w, stage=stage, n=reduction, b=b: (
                    _later(stage, make_divisible(stage.width * w), map_hw(r, n))
                    if b < rules.depth(stage.blocks, d)
                    else None
                ),
            )
