"""AttentiveNAS (Wang et al. 2021, arXiv:2011.09011), the space of AlphaNet as well.

Seven stages of inverted residuals with swish, a MobileNetV3-style head with elastic widths,
four resolutions (AlphaNet: Wang et al. 2021, arXiv:2102.07954).
"""

from __future__ import annotations

from collections.abc import Sequence

from search_spaces.arguments import require_positive, require_probability
from search_spaces.blocks import Conv, Head
from search_spaces.builder import SpaceBuilder
from search_spaces.registry import register_space
from search_spaces.space import SearchSpace
from search_spaces.stage_choices import StageChoices, add_stages, add_stem
from search_spaces.stages import map_hw

__all__ = ["attentive_nas"]

STEM, LAST = (16, 24), (1792, 1984)
HEAD_EXPANSION = 6
STAGES = (
    StageChoices((16, 24), (1, 2), (3, 5), (1,), stride=1, se=False),
    StageChoices((24, 32), (3, 4, 5), (3, 5), (4, 5, 6), stride=2, se=False),
    StageChoices((32, 40), (3, 4, 5, 6), (3, 5), (4, 5, 6), stride=2, se=True),
    StageChoices((64, 72), (3, 4, 5, 6), (3, 5), (4, 5, 6), stride=2, se=False),
    StageChoices((112, 120, 128), (3, 4, 5, 6, 7, 8), (3, 5), (4, 5, 6), stride=1, se=True),
    StageChoices((192, 200, 208, 216), (3, 4, 5, 6, 7, 8), (3, 5), (6,), stride=2, se=True),
    StageChoices((216, 224), (1, 2), (3, 5), (6,), stride=1, se=True),
)


@register_space("attentive_nas")
def attentive_nas(
    classes: int = 1000,
    resolutions: Sequence[int] = (192, 224, 256, 288),
    dropout: float = 0.2,
) -> SearchSpace:
    """AttentiveNAS's and AlphaNet's space (Wang et al. 2021).

    Args:
        classes: Outputs.
        resolutions: Input heights = widths.
        dropout: Before the classifier.
    """
    require_positive(classes=classes, resolutions=resolutions)
    require_probability(dropout=dropout)
    builder = SpaceBuilder("attentive_nas")
    r, stem = add_stem(builder, resolutions, STEM)
    width = add_stages(builder, r, stem, STAGES)
    last = builder.choice("width_last", LAST)
    builder.slot(
        "final",
        reads=(r, width),
        block=lambda r, w: Conv(w, w * HEAD_EXPANSION, map_hw(r, 32), act="swish"),
    )
    builder.slot(
        "head",
        reads=(r, width, last),
        block=lambda r, w, hidden: Head(
            w * HEAD_EXPANSION,
            classes,
            map_hw(r, 32),
            hidden=hidden,
            act="swish",
            dropout=dropout,
        ),
    )
    return builder.build()
