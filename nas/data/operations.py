"""A batched subset of RandAugment (Cubuk et al. 2020, arXiv:1909.13719, section 3).

Twelve of its fourteen operations, each for a whole group of images at once; equalize and sharpness
are left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch.nn.functional import affine_grid, grid_sample

__all__ = ["OPERATIONS", "rand_augment"]

_MIDDLE = 127.5


def rand_augment(
    images: torch.Tensor,
    operations: int,
    magnitude: float,
    *,
    generator: torch.Generator,
    first: int = 0,
    count: int | None = None,
) -> torch.Tensor:
    """Do some random operations to every image, one after another.

    Args:
        images: uint8 [n, c, h, w].
        operations: How many; 0 returns the argument itself.
        magnitude: From 0, which changes next to nothing, to 10.
        generator: On the CPU.
        first: Position of the first image in the batch that these images are a part of.
        count: Images of that batch, for each of which numbers are drawn; None means n.

    Returns:
        uint8 [n, c, h, w], on the device of the argument.
    """
    if not operations:
        return images
    names = [name for name in OPERATIONS if images.shape[1] == 3 or name != "saturation"]
    result = images.float()
    drawn, own = (count or len(images),), slice(first, first + len(images))
    for _ in range(operations):
        chosen = torch.randint(len(names), drawn, generator=generator)[own]
        signs = torch.randint(2, drawn, generator=generator)[own] * 2.0 - 1.0
        for number, name in enumerate(names):
            where = (chosen == number).nonzero().flatten()
            if len(where):
                levels = (signs[where] * magnitude / 10).to(images.device)
                where = where.to(images.device)
                result[where] = OPERATIONS[name](result[where], levels.view(-1, 1, 1, 1))
    return result.round().clamp(0, 255).to(torch.uint8)


def _blend(images: torch.Tensor, others: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
    """Move images away from others, or towards them for negative levels, by up to nine tenths."""
    return (others + (images - others) * (1 + 0.9 * levels)).clamp(0, 255)


def _grey(images: torch.Tensor) -> torch.Tensor:
    weights = images.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    return (images * weights).sum(1, keepdim=True)


def _brightness(images: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
    return _blend(images, torch.zeros_like(images), levels)


def _contrast(images: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
    return _blend(images, images.mean((1, 2, 3), keepdim=True), levels)


def _saturation(images: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
    return _blend(images, _grey(images), levels)


def _posterize(images: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
    """Keep 8 bits at the level 0 and 4 at 1."""
    step = 2 ** (4 * levels.abs()).round()
    return (images / step).floor() * step


def _solarize(images: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
    """Invert the values above a threshold, which falls with the level."""
    return torch.where(images >= 256 * (1 - levels.abs()), 255 - images, images)


def _autocontrast(images: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
    """Stretch every channel to all values; a channel of one value stays."""
    low, high = images.amin((2, 3), keepdim=True), images.amax((2, 3), keepdim=True)
    stretched = (images - low) * 255 / (high - low).clamp(min=1)
    return torch.where(high > low, stretched, images)


def _affine(images: torch.Tensor, rows: list[list[torch.Tensor]]) -> torch.Tensor:
    """Take every pixel from where two rows of three numbers say, grey where that is outside."""
    theta = torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)
    grid = affine_grid(theta, list(images.shape), align_corners=False)
    moved = grid_sample(images - _MIDDLE, grid, mode="bilinear", align_corners=False)
    return moved + _MIDDLE


def _shear_x(images: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
    shear = 0.3 * levels.flatten()
    one, zero = torch.ones_like(shear), torch.zeros_like(shear)
    return _affine(images, [[one, shear, zero], [zero, one, zero]])


def _shear_y(images: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
    shear = 0.3 * levels.flatten()
    one, zero = torch.ones_like(shear), torch.zeros_like(shear)
    return _affine(images, [[one, zero, zero], [shear, one, zero]])


def _translate_x(images: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
    share = 2 * 0.45 * levels.flatten()  # of half the image: the grid goes from -1 to 1
    one, zero = torch.ones_like(share), torch.zeros_like(share)
    return _affine(images, [[one, zero, share], [zero, one, zero]])


def _translate_y(images: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
    share = 2 * 0.45 * levels.flatten()
    one, zero = torch.ones_like(share), torch.zeros_like(share)
    return _affine(images, [[one, zero, zero], [zero, one, share]])


def _rotate(images: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
    angle = math.radians(30) * levels.flatten()
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    return _affine(images, [[cos, sin, zero], [-sin, cos, zero]])


def _identity(images: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
    return images


OPERATIONS: Mapping[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "identity": _identity,
    "brightness": _brightness,
    "contrast": _contrast,
    "saturation": _saturation,
    "posterize": _posterize,
    "solarize": _solarize,
    "autocontrast": _autocontrast,
    "shear_x": _shear_x,
    "shear_y": _shear_y,
    "translate_x": _translate_x,
    "translate_y": _translate_y,
    "rotate": _rotate,
}
"""By name; called with float images from 0 to 255 [m, c, h, w] and levels from -1 to 1."""
