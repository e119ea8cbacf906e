"""Once-for-all on ProxylessNAS (Cai, Gan, Wang, Zhang, Han 2020, arXiv:1908.09791, section 4.1).

Five stages of up to four inverted residuals and a sixth of one, with elastic depth, kernel and
expansion as in `ofa_mobilenet_v3`; ReLU6, no squeeze-and-excitation. The published GPU and CPU
networks come from this supernet at width 1.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from search_spaces.arguments import require_positive, require_probability
from search_spaces.blocks import Conv, Head, MBConv
from search_spaces.builder import SpaceBuilder
from search_spaces.ofa_mobilenet_v3 import DEPTHS, elastic_blocks
from search_spaces.registry import register_space
from search_spaces.rounding import make_divisible
from search_spaces.space import SearchSpace
from search_spaces.stages import StageRow, make_stages, map_hw

__all__ = ["ofa_proxyless"]

STEM, FIRST, LAST = 32, 16, 1280
STAGES: tuple[StageRow, ...] = (
    (24, 2, "relu6", False),
    (40, 2, "relu6", False),
    (80, 2, "relu6", False),
    (96, 1, "relu6", False),
    (192, 2, "relu6", False),
    (320, 1, "relu6", False),
)


@register_space("ofa_proxyless")
def ofa_proxyless(
    width: float = 1.3,
    classes: int = 1000,
    resolutions: Sequence[int] = range(128, 225, 4),
    dropout: float = 0.1,
    bn_eps: float = 1e-3,
) -> SearchSpace:
    """Once-for-all ProxylessNAS (Cai et al. 2020).

    Args:
        width: Multiplies all channels; 1.3 is the published one.
        classes: Outputs.
        resolutions: Input heights = widths.
        dropout: Before the classifier.
        bn_eps: What batch norm adds to the variance; 1e-3 in the published supernet.
    """
    require_positive(width=width, classes=classes, resolutions=resolutions, bn_eps=bn_eps)
    require_probability(dropout=dropout)
    builder = SpaceBuilder("ofa_proxyless")
    r = builder.choice("resolution", resolutions)
    stem, first = make_divisible(STEM * width), make_divisible(FIRST * width)
    last = make_divisible(LAST * width)
    stages = make_stages(first, STAGES, width=width, bn_eps=bn_eps)
    conv = partial(Conv, act="relu6", bn_eps=bn_eps)
    mbconv = partial(MBConv, act="relu6", expand_conv=False, bn_eps=bn_eps)
    builder.slot("stem", reads=(r,), block=lambda r: conv(3, stem, r, kernel=3, stride=2))
    builder.slot("first", reads=(r,), block=lambda r: mbconv(stem, first, stem, map_hw(r, 2)))
    for s, stage in enumerate(stages, start=1):
        several = s < len(stages)
        d = builder.choice(f"depth_{s}", DEPTHS) if several else None
        elastic_blocks(builder, r, str(s), stage, d)
    cout = stages[-1].cout
    builder.slot("final", reads=(r,), block=lambda r: conv(cout, last, map_hw(r, 32)))
    builder.slot(
        "head",
        reads=(r,),
        block=lambda r: Head(last, classes, map_hw(r, 32), dropout=dropout),
    )
    return builder.build()
