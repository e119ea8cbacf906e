"""Stages whose blocks share one choice each of width, depth, kernel and expansion.

What BigNAS (Yu et al. 2020, arXiv:2003.11142) and AttentiveNAS (Wang et al. 2021,
arXiv:2011.09011) have in common: every block has a shortcut; where it changes shape it is an
average pool and a 1x1 convolution. Smaller kernels are plain centre crops of larger ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from search_spaces.blocks import Conv, MBConv
from search_spaces.builder import SpaceBuilder
from search_spaces.rounding import make_divisible
from search_spaces.stages import map_hw

__all__ = ["StageChoices", "add_stages", "add_stem"]


@dataclass(frozen=True)
class StageChoices:
    """Options of a stage and what is fixed in it; an option alone is no decision."""

    widths: tuple[int, ...]
    depths: tuple[int, ...]
    kernels: tuple[int, ...]
    expansions: tuple[int, ...]
    stride: int
    se: bool
    act: str = "swish"


def add_stem(
    builder: SpaceBuilder, resolutions: Sequence[int], widths: Sequence[int]
) -> tuple[str, str]:
    """Declare the resolution and a stem, a 3x3 convolution of stride 2 with swish.

    Args:
        builder: Takes them.
        resolutions: Input heights = widths.
        widths: Of the stem.

    Returns:
        The choices of the resolution and of the stem's width.
    """
    resolution = builder.choice("resolution", resolutions)
    width = builder.choice("width_stem", widths)
    builder.slot(
        "stem",
        reads=(resolution, width),
        block=lambda r, w: Conv(3, w, r, kernel=3, stride=2, act="swish"),
    )
    return resolution, width


def add_stages(
    builder: SpaceBuilder, resolution: str, stem: str, stages: Sequence[StageChoices]
) -> str:
    """Declare the choices and slots of all stages; return the choice of the last width.

    The first stage starts at half the input resolution. An expansion of 1 means that a block
    has no 1x1 expansion.

    Args:
        builder: Takes them.
        resolution: The choice of the input resolution.
        stem: The choice of the stem's width.
        stages: In order.
    """
    before, reduction = stem, 2
    for s, stage in enumerate(stages, start=1):
        w = builder.choice(f"width_{s}", stage.widths)
        d = builder.choice(f"depth_{s}", stage.depths)
        k = builder.choice(f"kernel_{s}", stage.kernels)
        e = builder.choice(f"expand_{s}", stage.expansions)
        builder.slot(
            f"stage{s}.0",
            reads=(resolution, k, e, before, w),
            block=lambda r, k, e, cin, w, stage=stage, n=reduction: _block(
                stage, map_hw(r, n), k, e, cin, w
            ),
        )
        reduction *= stage.stride
        inner = replace(stage, stride=1)
        for b in range(1, max(stage.depths)):
            builder.slot(
                f"stage{s}.{b}",
                reads=(resolution, k, e, w, d),
                block=lambda r, k, e, w, d, inner=inner, n=reduction, b=b: (
                    _block(inner, map_hw(r, n), k, e, w, w) if b < d else None
                ),
            )
        before = w
    return before


def _block(stage: StageChoices, hw: int, kernel: int, expand: int, cin: int, cout: int) -> MBConv:
    """Return a block of a stage, with the stage's stride."""
    same = stage.stride == 1 and cin == cout
    mid = make_divisible(cin * expand)
    return MBConv(
        cin,
        cout,
        mid,
        hw,
        kernel=kernel,
        stride=stage.stride,
        act=stage.act,
        se=make_divisible(mid / 4) if stage.se else 0,
        shortcut=True,
        expand_conv=expand != 1,
        shortcut_kind="identity" if same else "pool_conv",
        kernel_transform=False,
    )
