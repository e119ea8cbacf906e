"""Single Path One-Shot's ShuffleNetV2 space (Guo et al. 2020, arXiv:1904.00420, section 4).

Twenty layers, each one of four operations with weights of their own: ShuffleNetV2 units with
kernel 3, 5 or 7, and the Xception variant. With channel search every layer also chooses its
inner channels, which share weights by leading slices.
"""

from __future__ import annotations

from functools import partial

from search_spaces.arguments import require_positive, require_probability
from search_spaces.blocks import BlockSpec, Conv, Head, ShuffleV2, ShuffleXception, conv_hw
from search_spaces.builder import SpaceBuilder
from search_spaces.registry import register_space
from search_spaces.space import SearchSpace

__all__ = ["spos_shufflenet_v2"]

OPERATIONS = ("shuffle_3", "shuffle_5", "shuffle_7", "xception")
STAGES = ((64, 4), (160, 4), (320, 8), (640, 4))
STEM, LAST = 16, 1024
SCALES = (0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0)
"""Of the inner channels."""


def _block(
    cin: int, cout: int, hw: int, stride: int, operation: str, scale: float = 1.0
) -> BlockSpec:
    """Return one layer; the main branch's inner channels are half the output, scaled."""
    mid = int(cout // 2 * scale)
    if operation == "xception":
        return ShuffleXception(cin, cout, mid, hw, stride=stride)
    kernel = int(operation.removeprefix("shuffle_"))
    return ShuffleV2(cin, cout, mid, hw, kernel=kernel, stride=stride)


@register_space("spos_shufflenet_v2")
def spos_shufflenet_v2(
    classes: int = 1000,
    resolution: int = 224,
    channels: int = 3,
    dropout: float = 0.1,
    channel_scales: bool = False,
) -> SearchSpace:
    """Single Path One-Shot's block choices on ShuffleNetV2 (Guo et al. 2020), 4^20 networks.

    Args:
        classes: Outputs.
        resolution: Input height = width.
        channels: Of the image.
        dropout: Before the classifier.
        channel_scales: Whether every layer also chooses its inner channels, 40^20 networks.
    """
    require_positive(classes=classes, resolution=resolution, channels=channels)
    require_probability(dropout=dropout)
    builder = SpaceBuilder("spos_shufflenet_v2")
    builder.slot(
        "stem", block=lambda: Conv(channels, STEM, resolution, kernel=3, stride=2, act="relu")
    )
    cin, hw, layer = STEM, conv_hw(resolution, 2), 0
    for cout, repeats in STAGES:
        for repeat in range(repeats):
            stride = 2 if repeat == 0 else 1
            layer += 1
            operation = builder.choice(f"operation_{layer}", OPERATIONS)
            scale = (builder.choice(f"scale_{layer}", SCALES),) if channel_scales else ()
            builder.slot(
                f"layer{layer}",
                reads=(operation, *scale),
                block=partial(_block, cin, cout, hw, stride),
                separate_weights=("kernel",),
            )
            cin, hw = cout, conv_hw(hw, stride)
    builder.slot("final", block=partial(Conv, cin, LAST, hw, act="relu"))
    builder.slot("head", block=partial(Head, LAST, classes, hw, bias=False, dropout=dropout))
    return builder.build()
