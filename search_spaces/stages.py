"""Stages of inverted residuals whose blocks each choose kernel and expansion.

What the spaces of the once-for-all family share (Cai et al. 2020, arXiv:1908.09791, section
3.2): a stage changes width and resolution in its first block, and keeps its first blocks when
it is shallower.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from search_spaces.blocks import MBConv, conv_hw
from search_spaces.rounding import make_divisible

__all__ = ["Stage", "StageRow", "make_stages", "map_hw", "stage_block"]

StageRow: TypeAlias = tuple[int, int, str, bool]
"""Channels at width 1, stride, activation, squeeze-and-excitation."""


@dataclass(frozen=True)
class Stage:
    """A stage of a network; ``reduction`` is the input resolution over the stage's input."""

    cin: int
    cout: int
    stride: int
    act: str
    se: bool
    reduction: int
    bn_eps: float = 1e-5


def make_stages(
    cin: int, rows: Sequence[StageRow], *, width: float, bn_eps: float = 1e-5
) -> list[Stage]:
    """Return stages at a width multiplier; the first starts at half the input resolution.

    Args:
        cin: Channels of the first stage's input.
        rows: One for each stage.
        width: Multiplies the channels of the rows.
        bn_eps: What batch norm adds to the variance.
    """
    stages, reduction = [], 2
    for channels, stride, act, se in rows:
        cout = make_divisible(channels * width)
        stages.append(Stage(cin, cout, stride, act, se, reduction, bn_eps))
        cin, reduction = cout, reduction * stride
    return stages


def map_hw(resolution: int, reduction: int) -> int:
    """Return height = width of a feature map, halved (rounding up) to a power of two."""
    while reduction > 1:
        resolution, reduction = conv_hw(resolution, 2), reduction // 2
    return resolution


def stage_block(
    stage: Stage,
    index: int,
    resolution: int,
    kernel: int,
    expand: int,
    *,
    kernel_transform: bool = True,
) -> MBConv:
    """Return block ``index`` of a stage; all but the first have a shortcut."""
    first = index == 0
    cin = stage.cin if first else stage.cout
    mid = make_divisible(round(cin * expand))
    hw = map_hw(resolution, stage.reduction)
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
        kernel_transform=kernel_transform,
        bn_eps=stage.bn_eps,
    )
