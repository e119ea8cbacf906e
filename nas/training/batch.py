"""The images of one training step at every resolution that its members take."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from nas.data import resize
from nas.devices import to_channels_last

__all__ = ["Batch"]


class Batch:
    """Augmented images and what they teach.

    Args:
        images: float [n, c, h, w], normalised.
        labels: int64 [n], or class probabilities float [n, classes].
        channels_last: Whether resized images lie in memory with the channels last.
    """

    def __init__(self, images: Tensor, labels: Tensor, *, channels_last: bool) -> None:
        self.labels = labels
        self._images = images
        self._channels_last = channels_last
        self._resized: dict[int, Tensor] = {}

    def joined(self, join: Callable[[Tensor], Tensor]) -> Batch:
        """Return the batch whose images and labels a function makes of these."""
        images, labels = join(self._images), join(self.labels)
        return Batch(images, labels, channels_last=self._channels_last)

    def at(self, resolution: int) -> Tensor:
        """Return the images at one resolution, made once."""
        if resolution not in self._resized:
            resized = resize(self._images, resolution)
            self._resized[resolution] = (
                to_channels_last(resized) if self._channels_last else resized
            )
        return self._resized[resolution]
