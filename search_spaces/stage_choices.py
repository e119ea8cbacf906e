"""Stages whose blocks share one choice each of width, depth, kernel and expansion.

What BigNAS (Yu et al. 2020, arXiv:2003.11142) and AttentiveNAS (Wang et al. 2021,
arXiv:2011.09011) share: every block has a shortcut; where shapes differ it is an average pool
and a 1x1 convolution. Smaller kernels are centre crops of larger ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from search_spaces.blocks import MBConv, conv_hw
from search_spaces.builder import SpaceBuilder
from search_spaces.rounding import make_divisible
from search_spaces.stages import map_hw

__all__ = ["StageChoices", "add_stages", "choice_or_constant"]


@dataclass(frozen=True)
class StageChoices:
    """Options of a stage, and what is fixed in it."""

    widths: tuple[int, ...]
    depths: tuple[int, ...]
    kernels: tuple[int, ...]
    expansions: tuple[int, ...]
    stride: int
    se: bool


def add_stages(
    builder: SpaceBuilder, resolution: str, stem: str, stages: Sequence[StageChoices]
) -> str:
    """Declare the choices and slots of all stages; return the choice of the last width.

    The first stage starts at half the input resolution. An expansion of 1 means that the 1x1
    expansion does not exist.

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
        k = choice_or_constant(builder, f"kernel_{s}", stage.kernels)
        e = choice_or_constant(builder, f"expand_{s}", stage.expansions)
        shape = (*k, *e)
        for b in range(max(stage.depths)):

            def block(
                r: int,
                d: int,
                w: int,
                *options: int,
                b: int = b,
                stage: StageChoices = stage,
                reduction: int = reduction,
                k: tuple[str, ...] = k,
                e: tuple[str, ...] = e,
            ) -> MBConv | None:
                if b >= d:
                    return None
                rest = list(options)
                kernel = rest.pop(0) if k else stage.kernels[0]
                expand = rest.pop(0) if e else stage.expansions[0]
                cin = rest.pop(0) if rest else w
                hw = map_hw(r, reduction)
                return _block(stage, b, hw, kernel, expand, cin, w)

            reads = (resolution, d, w, *shape, *((before,) if b == 0 else ()))
            builder.slot(f"stage{s}.{b}", reads=reads, block=block)
        before, reduction = w, reduction * stage.stride
    return before
