"""Reader of CIFAR-10 and CIFAR-100 as Krizhevsky published them, python and binary version.

See https://www.cs.toronto.edu/~kriz/cifar.html: 32 x 32 colour images, all of the red plane
first; CIFAR-100 has a coarse and a fine label, of which the fine one is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nas.data.plain_pickle import read_plain_pickle
from nas.data.raw import RawData, find_path, join_splits
from nas.errors import DataError

__all__ = ["read_cifar"]

_TRAIN_10 = tuple(f"data_batch_{i}" for i in range(1, 6))
_LAYOUTS = (  # files of the training split and of the test split, and of the class names
    (_TRAIN_10, ("test_batch",), "batches.meta"),
    (("train",), ("test",), "meta"),
    (tuple(f"{name}.bin" for name in _TRAIN_10), ("test_batch.bin",), "batches.meta.txt"),
    (("train.bin",), ("test.bin",), "fine_label_names.txt"),
)
_SIDE = 32
_VALUES = 3 * _SIDE * _SIDE
_Part = tuple[NDArray[np.uint8], NDArray[np.int64]]


def read_cifar(path: Path) -> RawData:
    """Read the batches in a folder.

    Raises:
        DataError: A file is missing, damaged, or not of this format.
    """
    folder = find_path(path, folder=True)
    for train, test, names in _LAYOUTS:
        if (folder / train[0]).is_file():
            splits = {"train": _read(folder, train), "test": _read(folder, test)}
            raw = join_splits(splits, where=str(folder))
            return replace(raw, class_names=_class_names(folder / names))
    there = ", ".join(sorted(p.name for p in folder.iterdir())[:8]) or "nothing"
    raise DataError(
        f"{folder} holds no CIFAR batches (there is: {there}). Allowed are data_batch_1 to 5 and "
        "test_batch, or train and test, each also with .bin. Correct `path`."
    )


def _read(folder: Path, files: Sequence[str]) -> _Part:
    """Return images [n, 3, 32, 32] and labels of some files."""
    missing = [name for name in files if not (folder / name).is_file()]
    if missing:
        raise DataError(
            f"{folder} lacks {', '.join(missing)}. CIFAR needs all of {', '.join(files)}. Unpack "
            "the archive again."
        )
    parts = [
        _binary(folder / name) if name.endswith(".bin") else _pickled(folder / name)
        for name in files
    ]
    images, labels = (np.concatenate(column) for column in zip(*parts, strict=True))
    return images.reshape(-1, 3, _SIDE, _SIDE), labels


def _pickled(file: Path) -> _Part:
    batch = read_plain_pickle(file)
    images = batch.get("data")
    labels = batch.get("fine_labels", batch.get("labels"))
    if isinstance(images, np.ndarray) and isinstance(labels, list):
        numbers = np.array(labels, dtype=np.int64)
        if images.shape == (len(numbers), _VALUES):
            return images, numbers
    raise DataError(
        f"{file} has {', '.join(sorted(batch))}. A CIFAR batch has `data`, {_VALUES} bytes for "
        "each image, and `labels` or `fine_labels`. Correct `path` or `format`."
    )


def _binary(file: Path) -> _Part:
    """Read records of one label (CIFAR-10) or two (CIFAR-100), then the image."""
    labels = 2 if file.name in ("train.bin", "test.bin") else 1
    data = np.fromfile(file, dtype=np.uint8)
    if data.size == 0 or data.size % (labels + _VALUES):
        raise DataError(
            f"{file} has {data.size:,} bytes. Allowed is a multiple of {labels + _VALUES:,}, the "
            "size of one record. It is truncated or no CIFAR file; fetch it again."
        )
    records = data.reshape(-1, labels + _VALUES)
    return records[:, labels:], records[:, labels - 1].astype(np.int64)


def _class_names(file: Path) -> tuple[str, ...] | None:
    """Return the names of the classes; none where their file is missing."""
    if not file.is_file():
        return None
    if file.suffix == ".txt":
        return tuple(file.read_text(encoding="utf-8").split())
    about = read_plain_pickle(file)
    names = about.get("fine_label_names", about.get("label_names"))
    return tuple(map(str, names)) if names else None
