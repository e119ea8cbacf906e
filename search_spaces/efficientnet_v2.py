"""EfficientNetV2's search space (Tan, Le 2021, arXiv:2104.00298, section 3.3).

Every stage chooses its operation (MBConv, or fused MBConv with one square convolution in place
of expansion and depthwise convolution), kernel, expansion and depth; widths are those of the
published EfficientNetV2-S.
"""

from __future__ import annotations

from collections.abc import Sequence

from search_spaces.arguments import require_positive, require_probability
from search_spaces.blocks import BlockSpec, Conv, FusedMBConv, Head, MBConv, conv_hw
from search_spaces.builder import SpaceBuilder
from search_spaces.errors import SpaceError
from search_spaces.registry import register_space
from search_spaces.space import SearchSpace
from search_spaces.stages import map_hw

__all__ = ["efficientnet_v2"]

OPERATIONS = ("mbconv", "fused")
KERNELS = (3, 5)
EXPANSIONS = (1, 4, 6)
STRIDES = (1, 2, 2, 2, 1, 2)


def _block(
    hw: int, operation: str, kernel: int, expand: int, *, cin: int, cout: int, stride: int
) -> BlockSpec:
    """Return a block; only MBConv has squeeze-and-excitation, of a quarter of its input."""
    shortcut = stride == 1 and cin == cout
    if operation == "mbconv":
        return MBConv(
            cin,
            cout,
            cin * expand,
            hw,
            kernel=kernel,
            stride=stride,
            act="swish",
            se=max(1, cin // 4),
            shortcut=shortcut,
            expand_conv=expand != 1,
            se_act="swish",
            se_gate="sigmoid",
        )
    if expand == 1:
        return Conv(cin, cout, hw, kernel=kernel, stride=stride, act="swish", shortcut=shortcut)
    return FusedMBConv(
        cin, cout, cin * expand, hw, kernel=kernel, stride=stride, shortcut=shortcut
    )


@register_space("efficientnet_v2")
def efficientnet_v2(
    classes: int = 1000,
    resolutions: Sequence[int] = (224, 300, 384),
    widths: Sequence[int] = (24, 24, 48, 64, 128, 160, 256, 1280),
    depths: Sequence[int] = (2, 4, 4, 6, 9, 15),
    dropout: float = 0.2,
) -> SearchSpace:
    """EfficientNetV2's choices for every stage (Tan, Le 2021), around EfficientNetV2-S.

    Args:
        classes: Outputs.
        resolutions: Input heights = widths.
        widths: Channels of stem, six stages and last convolution.
        depths: Largest number of blocks of every stage; it may have half as many.
        dropout: Before the classifier.

    Raises:
        SpaceError: The number of widths or depths is not that of the stages.
    """
    require_positive(classes=classes, resolutions=resolutions, widths=widths, depths=depths)
    require_probability(dropout=dropout)
    if (len(widths), len(depths)) != (len(STRIDES) + 2, len(STRIDES)):
        raise SpaceError(
            f"widths must name {len(STRIDES) + 2} layers and depths {len(STRIDES)} stages, got "
            f"{len(widths)} and {len(depths)}."
        )
    stem, *stages, last = widths
    builder = SpaceBuilder("efficientnet_v2")
    r = builder.choice("resolution", resolutions)
    builder.slot(
        "stem",
        reads=(r,),
        block=lambda r: Conv(3, stem, r, kernel=3, stride=2, act="swish"),
    )
    cin, reduction = stem, 2
    for s, (cout, stride, depth) in enumerate(zip(stages, STRIDES, depths, strict=True), 1):
        _add_stage(builder, s, r, (cin, cout), stride, reduction, depth)
        cin, reduction = cout, reduction * stride
    builder.slot(
        "final", reads=(r,), block=lambda r: Conv(cin, last, map_hw(r, reduction), act="swish")
    )
    builder.slot(
        "head",
        reads=(r,),
        block=lambda r: Head(last, classes, map_hw(r, reduction), dropout=dropout),
    )
    return builder.build()


def _add_stage(
    builder: SpaceBuilder,
    s: int,
    resolution: str,
    channels: tuple[int, int],
    stride: int,
    reduction: int,
    depth: int,
) -> None:
    """Declare the choices and slots of one stage."""
    cin, cout = channels
    o = builder.choice(f"operation_{s}", OPERATIONS)
    k = builder.choice(f"kernel_{s}", KERNELS)
    e = builder.choice(f"expand_{s}", EXPANSIONS)
    d = builder.choice(f"depth_{s}", tuple(range((depth + 1) // 2, depth + 1)))
    builder.slot(
        f"stage{s}.0",
        reads=(resolution, o, k, e),
        block=lambda r, o, k, e: _block(
            map_hw(r, reduction), o, k, e, cin=cin, cout=cout, stride=stride
        ),
    )
    for b in range(1, depth):
        builder.slot(
            f"stage{s}.{b}",
            reads=(resolution, o, k, e, d),
            block=lambda r, o, k, e, d, b=b: (
                _block(
                    conv_hw(map_hw(r, reduction), stride), o, k, e, cin=cout, cout=cout, stride=1
                )
                if b < d
                else None
            ),
        )
