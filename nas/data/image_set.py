"""Labelled images in memory."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

__all__ = ["ImageSet", "channel_statistics"]


@dataclass(frozen=True)
class ImageSet:
    """Images and their classes.

    The images stay uint8, a quarter of float32. Where they fit, keep the whole set on the
    training device (CIFAR-10 is 184 MB): batches are then cut and augmented without a copy.

    Attributes:
        images: uint8 [n, c, h, w].
        labels: int64 [n], indices into `class_names`.
        class_names: One name per class.
    """

    images: torch.Tensor
    labels: torch.Tensor
    class_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of every image."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    def at(self, indices: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return images and labels at `indices` (int64 [k]), on the device of the set."""
        where = indices.to(self.images.device)
        return self.images[where], self.labels[where]

    def select(self, indices: torch.Tensor) -> ImageSet:
        """Return the images at `indices` (int64 [k]) as a set of their own."""
        images, labels = self.at(indices)
        return replace(self, images=images, labels=labels)

    def to(self, device: torch.device | str) -> ImageSet:
        """Return the set on `device`."""
        return replace(self, images=self.images.to(device), labels=self.labels.to(device))


def channel_statistics(images: torch.Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation per channel on the scale [0, 1].

    Args:
        images: uint8 [n, c, h, w], n at least 1.
    """
    pixels = images.numel() // images.shape[1]
    total = torch.zeros(images.shape[1], dtype=torch.float64)
    squares = torch.zeros_like(total)
    for start in range(0, len(images), 1024):  # a float64 copy of all would take 8 times the room
        scaled = images[start : start + 1024].double() / 255
        total += scaled.sum(dim=(0, 2, 3))
        squares += scaled.square().sum(dim=(0, 2, 3))
    mean = total / pixels
    std = (squares / pixels - mean.square()).clamp(min=0).sqrt().clamp(min=1 / 255)
    return tuple(mean.tolist()), tuple(std.tolist())
