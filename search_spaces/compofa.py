"""CompOFA: depth and width of a stage coupled (Sahni et al. 2021, arXiv:2104.12642, section 3).

Once-for-all's MobileNetV3 in which the depth of a stage decides the expansion of its blocks:
243 networks with one kernel per stage, 117^5 with a kernel for each block.
"""

from __future__ import annotations

from collections.abc import Sequence

from search_spaces.blocks import MBConv
from search_spaces.builder import SpaceBuilder
from search_spaces.ofa_mobilenet_v3 import DEPTHS, KERNELS, mobilenet_v3
from search_spaces.registry import register_space
from search_spaces.space import SearchSpace
from search_spaces.stages import Stage, stage_block

__all__ = ["compofa"]

EXPANSION = {2: 3, 3: 4, 4: 6}
"""Depth of a stage -> expansion of its blocks."""

STAGE_KERNELS = (3, 5, 3, 3, 5)


@register_space("compofa")
def compofa(
    elastic_kernel: bool = False,
    width: float = 1.0,
    classes: int = 1000,
    resolutions: Sequence[int] = range(128, 225, 4),
    dropout: float = 0.1,
) -> SearchSpace:
    """CompOFA on once-for-all's MobileNetV3 (Sahni et al. 2021).

    Args:
        elastic_kernel: Whether every block chooses its kernel; one kernel per stage otherwise.
        width: Multiplies all channels.
        classes: Outputs.
        resolutions: Input heights = widths.
        dropout: Before the classifier.
    """
    builder = SpaceBuilder("compofa")

    def add_stage(r: str, name: str, stage: Stage) -> None:
        depth = builder.choice(f"depth_{name}", DEPTHS)
        fixed = (STAGE_KERNELS[int(name) - 1],)
        for b in range(max(DEPTHS)):

            def block(r: int, d: int, k: int = fixed[0], b: int = b) -> MBConv | None:
                if b >= d:
                    return None
                return stage_block(stage, b, r, k, EXPANSION[d], kernel_transform=False)

            kernel = (builder.choice(f"kernel_{name}_{b}", KERNELS),) if elastic_kernel else ()
            builder.slot(f"stage{name}.{b}", reads=(r, depth, *kernel), block=block)

    return mobilenet_v3(
        builder,
        add_stage,
        width=width,
        classes=classes,
        resolutions=resolutions,
        dropout=dropout,
    )
