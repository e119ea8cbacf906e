"""Batches brought to the training device before they are needed."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

__all__ = ["on_device"]

_Batch = tuple[Tensor, Tensor]


def on_device(batches: Iterator[_Batch], device: torch.device) -> Iterator[_Batch]:
    """Yield batches on a device.

    On a GPU the next batch is copied, from pinned memory and in a stream of its own, while the
    one before is computed with.

    Args:
        batches: Images and labels.
        device: Where they are needed.
    """
    if device.type != "cuda":
        for images, labels in batches:
            yield images.to(device), labels.to(device)
        return
    computing, copying = torch.cuda.current_stream(device), torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def copy() -> _Batch | None:
        batch = next(batches, None)
        if batch is None or batch[0].device == device:
            return batch
        pinned = [part if part.is_pinned() else part.pin_memory() for part in batch]
        with torch.cuda.stream(copying):
            images, labels = (part.to(device, non_blocking=True) for part in pinned)
        return images, labels

    ahead = copy()
    while ahead is not None:
        computing.wait_stream(copying)
        for part in ahead:
            part.record_stream(computing)  # its memory is not given away before it was used
        ready, ahead = ahead, copy()
        yield ready
