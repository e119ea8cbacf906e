"""ProxylessNAS (Cai, Zhu, Han 2019, arXiv:1812.00332, section 4.2): one operation per layer.

Twenty-one layers, each one of six inverted residuals (kernel 3, 5 or 7, expansion 3 or 6) with
weights of their own; a layer that changes nothing in shape may also be skipped.
"""

from __future__ import annotations

from collections.abc import Sequence

from search_spaces.arguments import require_positive, require_probability
from search_spaces.blocks import Conv, Head, MBConv
from search_spaces.builder import SpaceBuilder
from search_spaces.errors import SpaceError
from search_spaces.registry import register_space
from search_spaces.space import SearchSpace
from search_spaces.stages import map_hw

__all__ = ["proxyless"]

SKIP = "skip"
OPERATIONS = tuple(f"k{kernel}_e{expand}" for kernel in (3, 5, 7) for expand in (3, 6))
STAGES = ((4, 2), (4, 2), (4, 2), (4, 1), (4, 2), (1, 1))
"""Layers and stride of the stages; all but the first layer of a stage may be skipped."""


def _block(cin: int, cout: int, hw: int, stride: int, operation: str) -> MBConv | None:
    """Return one layer; it has a shortcut where the shape stays."""
    if operation == SKIP:
        return None
    kernel, expand = (int(part[1:]) for part in operation.split("_"))
    return MBConv(
        cin,
        cout,
        cin * expand,
        hw,
        kernel=kernel,
        stride=stride,
        act="relu6",
        shortcut=stride == 1 and cin == cout,
    )


@register_space("proxyless")
def proxyless(
    classes: int = 1000,
    resolutions: Sequence[int] = (224,),
    widths: Sequence[int] = (32, 16, 32, 40, 80, 96, 192, 320, 1280),
    dropout: float = 0.0,
) -> SearchSpace:
    """ProxylessNAS's space of operations (Cai, Zhu, Han 2019).

    Args:
        classes: Outputs.
        resolutions: Input heights = widths.
        widths: Channels of stem, first block, six stages and last convolution; by default
            those of the published mobile network.
        dropout: Before the classifier.
    """
    require_positive(classes=classes, resolutions=resolutions, widths=widths)
    require_probability(dropout=dropout)
    if len(widths) != len(STAGES) + 3:
        raise SpaceError(
            f"widths must name {len(STAGES) + 3} layers (stem, first block, {len(STAGES)} "
            f"stages, last convolution), got {len(widths)}: {list(widths)}."
        )
    stem, first, *stages, last = widths
    builder = SpaceBuilder("proxyless")
    r = builder.choice("resolution", resolutions)
    builder.slot(
        "stem", reads=(r,), block=lambda r: Conv(3, stem, r, kernel=3, stride=2, act="relu6")
    )
    builder.slot(
        "first",
        reads=(r,),
        block=lambda r: MBConv(stem, first, stem, map_hw(r, 2), act="relu6", expand_conv=False),
    )
    cin, reduction, layer = first, 2, 0
    for cout, (layers, stage_stride) in zip(stages, STAGES, strict=True):
        for position in range(layers):
            layer += 1
            stride = stage_stride if position == 0 else 1
            options = (*OPERATIONS, SKIP) if position else OPERATIONS
            operation = builder.choice(f"operation_{layer}", options)
            builder.slot(
                f"layer{layer}",
                reads=(r, operation),
                block=lambda r, o, cin=cin, cout=cout, n=reduction, stride=stride: _block(
                    cin, cout, map_hw(r, n), stride, o
                ),
                separate_weights=("kernel", "mid"),
            )
            cin, reduction = cout, reduction * stride
    builder.slot("final", reads=(r,), block=lambda r: Conv(cin, last, map_hw(r, 32), act="relu6"))
    builder.slot(
        "head", reads=(r,), block=lambda r: Head(last, classes, map_hw(r, 32), dropout=dropout)
    )
    return builder.build()
