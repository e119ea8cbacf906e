"""Images that are decoded while a network trains, by processes of their own.

For sets that do not fit in memory. The order of the images is given from outside, so every
image of an epoch is seen once, by whatever number of processes, and also after a resume.
"""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context
from multiprocessing.context import ForkServerContext
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from nas.data.config import DataConfig
from nas.data.decode import decode_image, decode_images, other_size, to_channels
from nas.data.image_set import ImageSet
from nas.data.sources import ImageSource
from nas.errors import DataError
from search_spaces.progress import Progress, silent

__all__ = ["Images", "StreamedSet", "explained_decoding"]

# Of batches for each process: one being decoded while one waits for the training.
_AHEAD = 2


@dataclass(frozen=True)
class StreamedSet:
    """Labelled images on disk; see `ImageSet`, which holds them in memory.

    Attributes:
        source: Gives encoded images by number.
        numbers: int64 [n], which of them are in this set.
        labels: int64 [n], indices into `class_names`.
        class_names: One name per class.
        shape: Channels, height and width of every decoded image.
        config: Of the data; its `workers` decode.
    """

    source: ImageSource
    numbers: Tensor
    labels: Tensor
    class_names: tuple[str, ...]
    shape: tuple[int, int, int]
    config: DataConfig

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, indices: Tensor, *, progress: Progress = silent) -> ImageSet:
        """Return the images at `indices` (int64 [k]) in memory, or from the cache.

        Raises:
            DataError: An image is broken or of another size than the others.
        """
        numbers = self.numbers[indices].tolist()
        images = decode_images(
            lambda i: self.source(numbers[i]),
            len(numbers),
            config=self.config,
            identity=self.source.identity(numbers),
            progress=progress,
        )
        images = np.array(to_channels(images, self.shape[0]))  # the cache's file is not writable
        return ImageSet(torch.from_numpy(images), self.labels[indices], self.class_names)

    def part(self, indices: Tensor) -> StreamedSet:
        """Return the images at `indices` (int64 [k]) as a set that is streamed, too."""
        return replace(self, numbers=self.numbers[indices], labels=self.labels[indices])

    def batches(
        self, orders: Iterable[Tensor], *, pinned: bool = False
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield images (uint8) and labels of one batch after another.

        Args:
            orders: For each batch which images, int64 [b]; read a few batches ahead.
            pinned: Whether they come in memory that a GPU copies from on its own.

        Raises:
            DataError: An image is broken, or a process that decodes was killed.
        """
        loader: DataLoader[tuple[Tensor, Tensor]] = DataLoader(
            _Decoded(self),
            batch_sampler=(order.tolist() for order in orders),
            num_workers=self.config.workers,
            collate_fn=_as_it_is,
            prefetch_factor=_AHEAD,
            pin_memory=pinned,
            multiprocessing_context=_processes(),
            worker_init_fn=_ignore_interrupt,
        )
        with explained_decoding():
            for found in loader:
                if isinstance(found, str):
                    raise DataError(found)
                yield found


Images: TypeAlias = ImageSet | StreamedSet
"""Labelled images, in memory or on disk."""


class _Decoded(Dataset[tuple[Tensor, Tensor]]):
    """What a process that decodes has: it is asked for a whole batch at once."""

    def __init__(self, images: StreamedSet) -> None:
        self._images = images

    def __getitems__(self, indices: Sequence[int]) -> tuple[Tensor, Tensor] | str:
        """Return a batch, or what is wrong with it: an error loses its kind on the way."""
        try:
            return self._batch(indices)
        except DataError as error:
            return str(error)
        except OSError as error:
            return f"The images cannot be read: {error}. Put them back and go on with --resume."

    def _batch(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        own = self._images
        batch = np.empty((len(indices), *own.shape), dtype=np.uint8)
        for row, number in zip(batch, own.numbers[list(indices)].tolist(), strict=True):
            pixels = decode_image(own.source(number), size=own.config.image_size)
            if pixels.shape[1:] != own.shape[1:]:
                raise other_size(own.source(number), pixels, own.source(0), own.shape)
            row[:] = to_channels(pixels[None], own.shape[0])[0]
        return torch.from_numpy(batch), own.labels[list(indices)]


def _processes() -> ForkServerContext:
    """Return what starts processes: from a server that has imported this module already.

    Processes forked from this one would hold the run folder's lock beyond its end.
    """
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def _ignore_interrupt(worker: int) -> None:
    """Leave Ctrl-C to the process that trains: it finishes its step and needs a batch for it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _as_it_is(batch: Any) -> Any:
    return batch


@contextmanager
def explained_decoding() -> Iterator[None]:
    """Say what it means when a process that decodes is gone; torch may raise it anywhere."""
    try:
        yield
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise DataError(
            f"A process that decodes images is gone ({str(error).partition('. ')[0]}); often "
            "memory ran out. What was stored is intact. Set a smaller data.workers, or free "
            "memory, and go on with --resume."
        ) from error
