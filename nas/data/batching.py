"""The order in which images are seen, and batches cut from a set in memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from nas.data.image_set import ImageSet
from nas.data.streaming import Images, StreamedSet
from nas.errors import DataError
from nas.rng import stream

__all__ = ["batches", "calibration_subset", "check_calibration", "epoch_order"]


def epoch_order(count: int, *, seed: int, epoch: int) -> torch.Tensor:
    """Return the order of `count` images in one epoch, a permutation, int64 [count]."""
    return torch.from_numpy(stream(seed, "shuffle", epoch).permutation(count))


def batches(
    image_set: Images,
    batch_size: int,
    *,
    order: torch.Tensor | None = None,
    drop_last: bool = False,
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield images and labels batch by batch, on the device of the set.

    Args:
        image_set: What to cut from.
        batch_size: At least 1.
        order: int64 [k], which images in which order; none means all as they are stored.
        drop_last: Leave out a last batch that is smaller.

    Yields:
        uint8 [b, c, h, w] and int64 [b]; views of the set if `order` is none.
    """
    count = len(image_set) if order is None else len(order)
    stop = count - count % batch_size if drop_last else count
    if isinstance(image_set, StreamedSet):
        indices = torch.arange(count) if order is None else order
        yield from image_set.batches(torch.split(indices[:stop], batch_size))
        return
    where = None if order is None else order.to(image_set.images.device)
    for start in range(0, stop, batch_size):
        window = slice(start, min(start + batch_size, stop))
        chosen = window if where is None else where[window]
        yield image_set.images[chosen], image_set.labels[chosen]


def check_calibration(image_set: Images, count: int) -> None:
    """Refuse more calibration images than there are training images; raises DataError."""
    if not 1 <= count <= len(image_set):
        raise DataError(
            f"{count} calibration images were asked for, but the training split has "
            f"{len(image_set)}. Allowed is 1 to {len(image_set)}. Set a smaller "
            "evaluate.calibration_images."
        )


def calibration_subset(image_set: Images, count: int, *, seed: int) -> ImageSet:
    """Return images to recalibrate batch-norm statistics on, drawn without replacement.

    Args:
        image_set: The training split.
        count: How many, at most as many as there are.
        seed: Of the run.

    Raises:
        DataError: More images asked for than there are.
    """
    check_calibration(image_set, count)
    chosen = stream(seed, "calibration").choice(len(image_set), size=count, replace=False)
    return image_set.select(torch.from_numpy(chosen.astype(np.int64)))
