"""Encoded images that lie on disk: found by number, without being held in memory.

A source goes to every process that decodes, so it keeps names and places in a few tensors, which
processes share, and not in a list of a million Python objects.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nas.data.config import DataConfig
from nas.data.decode import Encoded, decode_images
from nas.data.raw import RawData, file_state, make_raw
from nas.errors import DataError
from search_spaces.progress import Progress

__all__ = ["EncodedData", "FileSource", "ImageSource", "ShardSource", "decoded"]


class ImageSource(Protocol):
    """Gives encoded images by number."""

    def __call__(self, index: int) -> Encoded:
        """Return one image."""

    def identity(self, indices: Sequence[int]) -> Any:
        """Return a JSON value that changes whenever the bytes of these images change."""


class FileSource:
    """Images in files of their own.

    Args:
        files: Their paths.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        names = [os.fsencode(file) for file in files]
        joined = bytearray(b"".join(names)) or bytearray(1)  # torch refuses an empty buffer
        self._names = torch.frombuffer(joined, dtype=torch.uint8)
        self._ends = torch.tensor([0, *map(len, names)]).cumsum(0)

    def __call__(self, index: int) -> Encoded:
        """Return one image."""
        file = self._file(index)
        return Encoded(str(file), file)

    def identity(self, indices: Sequence[int]) -> Any:
        """Return paths, sizes and times of change."""
        return [file_state(self._file(index)) for index in indices]

    def _file(self, index: int) -> Path:
        first, stop = self._ends[index : index + 2].tolist()
        return Path(os.fsdecode(self._names[first:stop].numpy().tobytes()))


@dataclass(frozen=True)
class ShardSource:
    """Images inside uncompressed tar files, each read by its place.

    Attributes:
        shards: The tar files.
        places: int64 [n, 3]: number of the shard, first byte and bytes of every image.
    """

    shards: tuple[Path, ...]
    places: Tensor

    def __call__(self, index: int) -> Encoded:
        """Return one image."""
        shard, first, size = self.places[index].tolist()
        data = os.pread(_opened(self.shards[shard]), size, first)
        return Encoded(f"The image at byte {first} of {self.shards[shard]}", data)

    def identity(self, indices: Sequence[int]) -> Any:
        """Return the places, and paths, sizes and times of change of their shards."""
        places = self.places[torch.as_tensor(indices)]
        shards = [file_state(self.shards[i]) for i in sorted(set(places[:, 0].tolist()))]
        return [shards, places.tolist()]


@lru_cache(maxsize=256)
def _opened(shard: Path) -> int:
    """Return a file descriptor of a shard; the oldest ones are left to the end of the process."""
    return os.open(shard, os.O_RDONLY)


@dataclass(frozen=True)
class EncodedData:
    """The encoded images of a data set, with its own numbering of classes.

    Attributes:
        source: Gives the images 0 to n - 1.
        labels: int64 [n].
        test: bool [n], true for the images of a stored test split; none may be.
        class_names: Names of the labels 0, 1, ...; none where the source has no names.
        where: Where they are, for messages.
    """

    source: ImageSource
    labels: NDArray[np.int64]
    test: NDArray[np.bool_]
    class_names: tuple[str, ...] | None
    where: str


def decoded(data: EncodedData, config: DataConfig, progress: Progress) -> RawData:
    """Decode all images into memory, or take them from the cache.

    Raises:
        DataError: An image is broken or of another size than the first.
    """
    count = len(data.labels)
    if count == 0:
        raise DataError(f"{data.where}: no image in it. At least one is needed. Check `path`.")
    images = decode_images(
        data.source,
        count,
        config=config,
        identity=data.source.identity(range(count)),
        progress=progress,
    )
    raw = make_raw(images, data.labels, where=data.where, test=data.test)
    return RawData(raw.images, raw.labels, raw.test, data.class_names)
