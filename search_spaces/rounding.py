"""Channel rounding shared by the mobile families."""

from __future__ import annotations

__all__ = ["make_divisible"]


def make_divisible(channels: float, divisor: int = 8) -> int:
    """Round channels to a multiple of the divisor, never below 90 % of the value.

    The rule of MobileNetV2 (Sandler et al. 2018) that once-for-all and its family keep.
    """
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    if rounded < 0.9 * channels:
        rounded += divisor
    return rounded
