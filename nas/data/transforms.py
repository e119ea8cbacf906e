"""Normalising, resizing and augmenting whole batches with torch, on the device they lie on.

The order of a training step is rand_augment, normalise, augment, erase, mix, resize: on
normalised images the zeros of padding and cutout are the mean colour of the training images.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn.functional import interpolate

from nas.data.config import AugmentConfig

__all__ = ["augment", "normalise", "resize"]


def normalise(images: torch.Tensor, mean: Sequence[float], std: Sequence[float]) -> torch.Tensor:
    """Return images of torch's default type with mean 0 and standard deviation 1 per channel.

    Args:
        images: uint8 [n, c, h, w].
        mean: Per channel, on the scale [0, 1].
        std: Per channel, on the scale [0, 1], above 0.
    """
    offset = torch.tensor(mean, device=images.device).view(1, -1, 1, 1) * 255
    scale = 1 / (torch.tensor(std, device=images.device).view(1, -1, 1, 1) * 255)
    return images.to(offset.dtype).sub_(offset).mul_(scale)


def resize(images: torch.Tensor, resolution: int) -> torch.Tensor:
    """Return float images at `resolution` x `resolution` pixels (bilinear, antialiased).

    Args:
        images: float [n, c, h, w].
        resolution: Height and width wanted; the argument itself is returned if it has them.
    """
    if images.shape[2:] == (resolution, resolution):
        return images
    return interpolate(
        images, size=(resolution, resolution), mode="bilinear", antialias=True, align_corners=False
    )


def augment(
    images: torch.Tensor,
    config: AugmentConfig,
    *,
    generator: torch.Generator,
    first: int = 0,
    count: int | None = None,
) -> torch.Tensor:
    """Crop, mirror and cut out, each image with random numbers of its own.

    Crop and mirror are one gather of source pixels; what falls outside the image or inside the
    cutout square becomes zero. The square is clipped at the border, as in DeVries and Taylor
    2017 (arXiv:1708.04552, section 3.2). All numbers are drawn on the CPU and moved, so the
    same seed augments alike on every device.

    Args:
        images: [n, c, h, w], any dtype, any device.
        config: What to do; with the defaults the argument itself is returned.
        generator: On the CPU; draws at most 5 numbers for each image of the batch.
        first: Position of the first image in the batch that these images are a part of.
        count: Images of that batch, for each of which numbers are drawn; None means n.

    Returns:
        [n, c, h, w], dtype and device of the argument.
    """
    if config == AugmentConfig():
        return images
    n, channels, height, width = images.shape

    def draw(low: int, high: int) -> torch.Tensor:  # int64 [n, 1], low <= value < high
        values = torch.randint(low, high, (count or n, 1), generator=generator)
        return values[first : first + n].to(images.device, non_blocking=True)

    y = rows = torch.arange(height, device=images.device).expand(n, height)
    x = columns = torch.arange(width, device=images.device).expand(n, width)
    if config.crop_padding:
        rows = rows + draw(-config.crop_padding, config.crop_padding + 1)
        columns = columns + draw(-config.crop_padding, config.crop_padding + 1)
    if config.flip:
        columns = torch.where(draw(0, 2).bool(), width - 1 - columns, columns)
    inside_y = (rows >= 0) & (rows < height)
    inside_x = (columns >= 0) & (columns < width)
    keep = inside_y[:, :, None] & inside_x[:, None, :]
    if config.cutout:
        first_y = draw(0, height) - config.cutout // 2
        first_x = draw(0, width) - config.cutout // 2
        cut_y = (y >= first_y) & (y < first_y + config.cutout)
        cut_x = (x >= first_x) & (x < first_x + config.cutout)
        keep &= ~(cut_y[:, :, None] & cut_x[:, None, :])
    source = rows.clamp(0, height - 1)[:, :, None] * width + columns.clamp(0, width - 1)[:, None]
    index = source.view(n, 1, -1).expand(n, channels, -1)
    moved = images.flatten(2).gather(2, index).view(images.shape)
    return moved.masked_fill_(~keep[:, None], 0)
