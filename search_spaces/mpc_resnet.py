"""Residual networks for private inference (SNL, arXiv:2202.02340; AutoReP, arXiv:2308.10134).

Every activation of a ResNet chooses how many of its elements stay rectified, what happens to the
others, and whether single elements or whole channels are kept. Which ones is no choice but a mask
that is trained and stored with the weights: of a map of 65,536 elements there are 2^65,536 masks,
and all masks that keep as many cost the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

from search_spaces.arguments import require_known, require_positive, require_shares
from search_spaces.blocks import (
    GRANULARITIES,
    RESTS,
    BlockSpec,
    Head,
    RectifiedConv,
    RectifiedSum,
    Shape,
    conv_hw,
)
from search_spaces.builder import SpaceBuilder
from search_spaces.errors import SpaceError
from search_spaces.registry import register_space
from search_spaces.space import SearchSpace

__all__ = ["SHARES", "mpc_resnet"]

SHARES = (0.0, 1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
"""Shares of an activation's elements that stay rectified."""


@register_space("mpc_resnet")
def mpc_resnet(
    classes: int = 10,
    resolution: int = 32,
    channels: int = 3,
    widths: Sequence[int] = (64, 128, 256, 512),
    depths: Sequence[int] = (2, 2, 2, 2),
    shares: Sequence[float] = SHARES,
    rests: Sequence[str] = RESTS,
    granularities: Sequence[str] = GRANULARITIES,
) -> SearchSpace:
    """ResNet-18 with few ReLUs, by element or channel (SNL, Cho et al. 2022; AutoReP, Peng 2023).

    The defaults are the published shape for CIFAR, with 557,056 ReLUs; that for Tiny-ImageNet is
    ``classes=200, resolution=64``. With ``shares=(0.0, 1.0)`` layers keep all or nothing.

    Args:
        classes: Outputs.
        resolution: Input height = width.
        channels: Of the image.
        widths: Channels of every stage; each but the first halves the map.
        depths: Residual blocks of every stage.
        shares: Of an activation's elements that stay rectified, each from 0 to 1. A kept share
            above zero keeps at least one element, or channel.
        rests: What may happen to the others: ``identity`` or ``polynomial``.
        granularities: What may be kept as a whole: a ``pixel``, that is one element, or a
            ``channel``.

    Raises:
        SpaceError: A number or a name is impossible.
    """
    require_positive(classes=classes, resolution=resolution, channels=channels)
    require_positive(widths=widths, depths=depths)
    require_known(RESTS, rests=rests)
    require_known(GRANULARITIES, granularities=granularities)
    if len(widths) != len(depths):
        raise SpaceError(
            f"Every stage has a width and a depth, got widths = {list(widths)} and depths = "
            f"{list(depths)}."
        )
    require_shares(shares=shares)
    builder = SpaceBuilder("mpc_resnet")

    def activation(site: str) -> tuple[str, str, str]:
        return (
            builder.choice(f"kept_{site}", shares),
            builder.choice(f"rest_{site}", rests),
            builder.choice(f"granularity_{site}", granularities),
        )

    hw, cin = resolution, widths[0]
    stem = partial(RectifiedConv, channels, cin, hw)
    last = builder.slot(
        "stem", reads=activation("stem"), block=partial(_kept, stem, (cin, hw, hw))
    )
    for stage, (cout, depth) in enumerate(zip(widths, depths, strict=True), start=1):
        for number in range(depth):
            stride = 2 if stage > 1 and number == 0 else 1
            made = (cout, *(conv_hw(hw, stride),) * 2)
            first = builder.slot(
                f"stage{stage}.{number}.first",
                reads=activation(f"{stage}_{number}_1"),
                inputs=(last,),
                block=partial(_kept, partial(RectifiedConv, cin, cout, hw, stride=stride), made),
            )
            last = builder.slot(
                f"stage{stage}.{number}.second",
                reads=activation(f"{stage}_{number}_2"),
                inputs=(first, last),
                block=partial(_kept, partial(RectifiedSum, cin, cout, hw, stride=stride), made),
            )
            cin, hw = cout, conv_hw(hw, stride)
    builder.slot("head", block=partial(Head, cin, classes, hw))
    return builder.build()


def _kept(
    block: Callable[..., BlockSpec], shape: Shape, share: float, rest: str, granularity: str
) -> BlockSpec:
    """Return a block that keeps a share; what has no influence is always the same."""
    units = shape[0] if granularity == "channel" else math.prod(shape)
    count = max(round(share * units), 1 if share else 0)
    if count == units:
        return block(kept=math.prod(shape))
    if not count:
        return block(kept=0, rest=rest)
    return block(kept=count * math.prod(shape) // units, rest=rest, granularity=granularity)
