"""GhostNet (Han et al. 2020, arXiv:1911.11907, section 3.3): resolution and width as choices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from search_spaces.arguments import require_positive, require_probability
from search_spaces.blocks import Conv, GhostBottleneck, Head
from search_spaces.builder import SpaceBuilder
from search_spaces.registry import register_space
from search_spaces.rounding import make_divisible
from search_spaces.space import SearchSpace
from search_spaces.stages import map_hw

__all__ = ["ghostnet"]


class Row(NamedTuple):
    """A bottleneck at width 1."""

    kernel: int
    mid: int
    cout: int
    se: bool
    stride: int


STEM, LAST, HIDDEN = 16, 960, 1280
ROWS = (
    Row(3, 16, 16, False, 1),
    Row(3, 48, 24, False, 2),
    Row(3, 72, 24, False, 1),
    Row(5, 72, 40, True, 2),
    Row(5, 120, 40, True, 1),
    Row(3, 240, 80, False, 2),
    Row(3, 200, 80, False, 1),
    Row(3, 184, 80, False, 1),
    Row(3, 184, 80, False, 1),
    Row(3, 480, 112, True, 1),
    Row(3, 672, 112, True, 1),
    Row(5, 672, 160, True, 2),
    Row(5, 960, 160, False, 1),
    Row(5, 960, 160, True, 1),
    Row(5, 960, 160, False, 1),
    Row(5, 960, 160, True, 1),
)
"""The bottlenecks in the paper's table of the architecture."""


def _scaled(channels: float) -> int:
    """Round channels as GhostNet does, to multiples of four."""
    return make_divisible(channels, 4)


def _block(row: Row, before: int, hw: int, width: float) -> GhostBottleneck:
    """Return a bottleneck at a width; ``before`` are the channels of its input at width 1."""
    cin, cout, mid = (_scaled(channels * width) for channels in (before, row.cout, row.mid))
    kept = row.stride == 1 and cin == cout
    return GhostBottleneck(
        cin,
        cout,
        mid,
        hw,
        kernel=3 if kept else row.kernel,
        stride=row.stride,
        se=_scaled(mid / 4) if row.se else 0,
    )


@register_space("ghostnet")
def ghostnet(
    classes: int = 1000,
    resolutions: Sequence[int] = (128, 160, 192, 224),
    widths: Sequence[float] = (0.5, 1.0, 1.3),
    dropout: float = 0.2,
) -> SearchSpace:
    """Resolution and width of GhostNet (Han et al. 2020).

    Args:
        classes: Outputs.
        resolutions: Input heights = widths.
        widths: Multipliers of channels; by default those of the published networks.
        dropout: Before the classifier.
    """
    require_positive(classes=classes, resolutions=resolutions, widths=widths)
    require_probability(dropout=dropout)
    builder = SpaceBuilder("ghostnet")
    r = builder.choice("resolution", resolutions)
    w = builder.choice("width", widths)
    builder.slot(
        "stem", reads=(r, w), block=lambda r, w: Conv(3, _scaled(STEM * w), r, kernel=3, stride=2)
    )
    before, reduction = STEM, 2
    for i, row in enumerate(ROWS, start=1):
        builder.slot(
            f"block{i}",
            reads=(r, w),
            block=lambda r, w, row=row, before=before, n=reduction: _block(
                row, before, map_hw(r, n), w
            ),
        )
        before, reduction = row.cout, reduction * row.stride
    builder.slot(
        "final",
        reads=(r, w),
        block=lambda r, w: Conv(_scaled(before * w), _scaled(LAST * w), map_hw(r, 32)),
    )
    builder.slot(
        "head",
        reads=(r, w),
        block=lambda r, w: Head(
            _scaled(LAST * w),
            classes,
            map_hw(r, 32),
            hidden=HIDDEN,
            act="relu",
            dropout=dropout,
            hidden_bias=True,
        ),
    )
    return builder.build()
