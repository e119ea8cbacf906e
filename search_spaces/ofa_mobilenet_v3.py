"""Once-for-all MobileNetV3 (Cai, Gan, Wang, Zhang, Han 2020, arXiv:1908.09791, section 3).

Five stages of up to four inverted residuals with elastic depth {2, 3, 4}, kernel {3, 5, 7}
and expansion {3, 4, 6}, at resolutions from 128 to 224.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from search_spaces.arguments import require_positive, require_probability
from search_spaces.blocks import Conv, Head, MBConv
from search_spaces.builder import SpaceBuilder
from search_spaces.registry import register_space
from search_spaces.rounding import make_divisible
from search_spaces.space import SearchSpace
from search_spaces.stages import Stage, StageRow, make_stages, map_hw, stage_block

__all__ = ["elastic_blocks", "mobilenet_v3", "ofa_mobilenet_v3"]

DEPTHS = (2, 3, 4)
KERNELS = (3, 5, 7)
EXPANSIONS = (3, 4, 6)


STAGES: tuple[StageRow, ...] = (
    (24, 2, "relu", False),
    (40, 2, "relu", True),
    (80, 2, "h_swish", False),
    (112, 1, "h_swish", True),
    (160, 2, "h_swish", True),
)


def elastic_blocks(
    builder: SpaceBuilder, resolution: str, name: str, stage: Stage, depth: str | None = None
) -> None:
    """Declare the blocks of a stage with a choice of kernel and expansion for each.

    Args:
        builder: Takes choices and slots.
        resolution: The choice of the input resolution.
        name: Of the stage, a number.
        stage: Its widths.
        depth: The choice of the number of blocks; without one there is a single block.
    """
    for b in range(max(DEPTHS) if depth else 1):
        k = builder.choice(f"kernel_{name}_{b}", KERNELS)
        e = builder.choice(f"expand_{name}_{b}", EXPANSIONS)

        def block(r: int, k: int, e: int, d: int = 1, b: int = b) -> MBConv | None:
            return stage_block(stage, b, r, k, e) if b < d else None

        reads = (resolution, k, e, depth) if depth else (resolution, k, e)
        builder.slot(f"stage{name}.{b}", reads=reads, block=block)


def mobilenet_v3(
    builder: SpaceBuilder,
    add_stage: Callable[[str, str, Stage], None],
    *,
    width: float,
    classes: int,
    resolutions: Sequence[int],
    dropout: float,
) -> SearchSpace:
    """Return a space on once-for-all's MobileNetV3 with stages of one's own.

    Args:
        builder: Of the space, still empty.
        add_stage: Called with the choice of the resolution, the number of a stage and the
            stage; declares its choices and slots.
        width: Multiplies all channels.
        classes: Outputs.
        resolutions: Input heights = widths.
        dropout: Before the classifier.
    """
    require_positive(width=width, classes=classes, resolutions=resolutions)
    require_probability(dropout=dropout)
    r = builder.choice("resolution", resolutions)
    stem, last = make_divisible(16 * width), make_divisible(960 * width)
    hidden = make_divisible(1280 * width)
    stages = make_stages(stem, STAGES, width=width)
    builder.slot(
        "stem",
        reads=(r,),
        block=lambda r: Conv(3, stem, r, kernel=3, stride=2, act="h_swish"),
    )
    builder.slot(
        "first",
        reads=(r,),
        block=lambda r: MBConv(
            stem, stem, stem, map_hw(r, 2), act="relu", shortcut=True, expand_conv=False
        ),
    )
    for s, stage in enumerate(stages, start=1):
        add_stage(r, str(s), stage)
    cout = stages[-1].cout
    builder.slot(
        "final", reads=(r,), block=lambda r: Conv(cout, last, map_hw(r, 32), act="h_swish")
    )
    builder.slot(
        "head",
        reads=(r,),
        block=lambda r: Head(last, classes, map_hw(r, 32), hidden=hidden, dropout=dropout),
    )
    return builder.build()


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
    builder = SpaceBuilder("ofa_mobilenet_v3")

    def add_stage(r: str, name: str, stage: Stage) -> None:
        elastic_blocks(builder, r, name, stage, builder.choice(f"depth_{name}", DEPTHS))

    return mobilenet_v3(
        builder,
        add_stage,
        width=width,
        classes=classes,
        resolutions=resolutions,
        dropout=dropout,
    )
