"""Random erasing (Zhong et al. 2020, arXiv:1708.04896, algorithm 1)."""

from __future__ import annotations

import math

import torch

__all__ = ["erase"]

_AREA = (0.02, 1 / 3)
_ASPECT = (0.3, 1 / 0.3)


def erase(
    images: torch.Tensor,
    probability: float,
    *,
    generator: torch.Generator,
    first: int = 0,
    count: int | None = None,
) -> torch.Tensor:
    """Replace a rectangle of some images by noise.

    It has 2 % to a third of the image's area and an aspect of 0.3 to 3.3, and is cut off at the
    border where it is too long. Noise is drawn from N(0, 1), what normalised pixels are like.

    Args:
        images: Normalised, float [n, c, h, w].
        probability: With which an image has a rectangle; 0 returns the argument itself.
        generator: On the CPU.
        first: Position of the first image in the batch that these images are a part of.
        count: Images of that batch, for each of which numbers are drawn; None means n.

    Returns:
        [n, c, h, w], dtype and device of the argument.
    """
    if not probability:
        return images
    n, channels, height, width = images.shape
    own = slice(first, first + n)
    drawn = torch.rand(5, count or n, 1, generator=generator)
    chosen, area, aspect, down, right = drawn[:, own]
    area = (_AREA[0] + area * (_AREA[1] - _AREA[0])) * height * width
    low, high = map(math.log, _ASPECT)
    aspect = (low + aspect * (high - low)).exp()
    tall = (area * aspect).sqrt().round().clamp(1, height)
    wide = (area / aspect).sqrt().round().clamp(1, width)
    inside_y = _inside(height, down, tall)
    inside_x = _inside(width, right, wide)
    where = inside_y[:, :, None] & inside_x[:, None, :] & (chosen < probability)[:, :, None]
    shape = (count or n, channels, height, width)
    noise = torch.randn(shape, generator=generator)[own].to(images.device, images.dtype)
    return torch.where(where[:, None].to(images.device), noise, images)


def _inside(size: int, place: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
    """Return which of some pixels lie in an interval at a relative place, bool [n, size]."""
    start = (place * (size - length + 1)).floor()
    pixels = torch.arange(size)
    return (pixels >= start) & (pixels < start + length)
