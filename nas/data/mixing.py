"""Mixing images with each other, and their labels in the same proportion."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch.nn.functional import one_hot

from nas.data.config import AugmentConfig

__all__ = ["mix"]


def mix(
    images: torch.Tensor,
    labels: torch.Tensor,
    config: AugmentConfig,
    *,
    classes: int,
    rng: np.random.Generator,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mix every image of a batch with its neighbour by mixup or cutmix.

    Mixup (Zhang et al. 2018, arXiv:1710.09412) adds the images with the shares s and 1 - s,
    s from Beta(alpha, alpha). Cutmix (Yun et al. 2019, arXiv:1905.04899) replaces a rectangle
    of the share 1 - s of the image by that of the other; where the border cuts it off, the
    share is that of the pixels. The batch has one share; where both are asked for, a coin
    decides for each batch. The images 2k and 2k + 1 are neighbours, which an epoch's random
    order made so; a last one without a neighbour stays as it is. So a process that has whole
    pairs of a batch mixes them as one that has the whole batch.

    Args:
        images: float [n, c, h, w].
        labels: int64 [n].
        config: With neither mixup nor cutmix the arguments themselves are returned.
        classes: How many there are.
        rng: The source of randomness.

    Returns:
        Images, and class probabilities float32 [n, classes].
    """
    kinds = [kind for kind in ("mixup", "cutmix") if getattr(config, kind)]
    if not kinds:
        return images, labels
    kind = kinds[int(rng.integers(len(kinds)))]
    alpha = getattr(config, kind)
    share = float(rng.beta(alpha, alpha))
    other = _neighbours(len(images)).to(images.device)
    if kind == "mixup":
        mixed = images * share + images[other] * (1 - share)
    else:
        mixed, share = _with_patch(images, images[other], share, rng)
    targets = one_hot(labels, classes).float()
    return mixed, targets * share + targets[other] * (1 - share)


def _neighbours(count: int) -> torch.Tensor:
    """Return the position of every image's neighbour, int64 [count]."""
    positions = torch.arange(count)
    return (positions ^ 1).where(positions ^ 1 < count, positions)


def _with_patch(
    images: torch.Tensor, others: torch.Tensor, share: float, rng: np.random.Generator
) -> tuple[torch.Tensor, float]:
    """Return images with a rectangle of the others', and the share of their own pixels."""
    height, width = images.shape[2:]
    side = math.sqrt(1 - share)
    (top, bottom), (left, right) = (
        _interval(size, round(size * side), rng) for size in (height, width)
    )
    mixed = images.clone()
    mixed[:, :, top:bottom, left:right] = others[:, :, top:bottom, left:right]
    return mixed, 1 - (bottom - top) * (right - left) / (height * width)


def _interval(size: int, length: int, rng: np.random.Generator) -> tuple[int, int]:
    """Return an interval around a random place, clipped at the border."""
    start = int(rng.integers(size)) - length // 2
    return max(0, start), min(size, start + length)
