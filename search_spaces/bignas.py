"""BigNAS (Yu et al. 2020, arXiv:2003.11142): widths, depths and kernels per stage.

Seven stages of inverted residuals with swish and squeeze-and-excitation at four resolutions,
trained once by the sandwich rule and used without retraining.
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

__all__ = ["bignas"]

STEM, LAST = (32, 40), (1280, 1408)
STAGES = (
    StageChoices((16, 24), (1, 2), (3,), (1,), stride=1, se=True),
    StageChoices((24, 32), (2, 3), (3,), (6,), stride=2, se=True),
    StageChoices((40, 48), (2, 3), (3, 5), (6,), stride=2, se=True),
    StageChoices((80, 88), (2, 3, 4), (3, 5), (6,), stride=2, se=True),
    StageChoices((112, 120, 128), (2, 3, 4, 5, 6), (3, 5), (6,), stride=1, se=True),
    StageChoices((192, 200, 208, 216), (2, 3, 4, 5, 6), (3, 5), (6,), stride=2, se=True),
    StageChoices((320, 352), (1, 2), (3, 5), (6,), stride=1, se=True),
)


@register_space("bignas")
def bignas(
    classes: int = 1000,
    resolutions: Sequence[int] = (192, 224, 288, 320),
    dropout: float = 0.2,
) -> SearchSpace:
    """BigNAS's single-stage space (Yu et al. 2020).

    Args:
        classes: Outputs.
        resolutions: Input heights = widths.
        dropout: Before the classifier.
    """
    require_positive(classes=classes, resolutions=resolutions)
    require_probability(dropout=dropout)
    builder = SpaceBuilder("bignas")
    r, stem = add_stem(builder, resolutions, STEM)
    width = add_stages(builder, r, stem, STAGES)
    last = builder.choice("width_last", LAST)
    builder.slot(
        "final",
        reads=(r, width, last),
        block=lambda r, cin, w: Conv(cin, w, map_hw(r, 32), act="swish"),
    )
    builder.slot(
        "head",
        reads=(r, last),
        block=lambda r, w: Head(w, classes, map_hw(r, 32), dropout=dropout),
    )
    return builder.build()
