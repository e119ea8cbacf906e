"""What every reader returns: all images of a source in one layout, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.errors import DataError

__all__ = ["RawData", "file_state", "find_path", "join_splits", "make_raw"]


@dataclass(frozen=True)
class RawData:
    """The images of a source, with its own numbering of classes.

    Attributes:
        images: uint8 [n, c, h, w], c 1 or 3.
        labels: int64 [n].
        test: bool [n], true for the images of a stored test split; none may be.
        class_names: Names of the labels 0, 1, ...; none where the source has no names.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    test: NDArray[np.bool_]
    class_names: tuple[str, ...] | None = None


def find_path(path: Path, *, folder: bool) -> Path:
    """Return `path` if it is a folder (or a file, as `folder` says), else raise DataError."""
    need = "a folder" if folder else "a file"
    if not path.exists():
        there = next(p for p in path.absolute().parents if p.exists())
        raise DataError(
            f"The data path {str(path)!r} does not exist; what exists of it is {str(there)!r}. "
            f"This format reads {need}. Correct `path` in the data section (it is relative to "
            "the configuration file)."
        )
    if path.is_dir() != folder:
        raise DataError(
            f"The data path {str(path)!r} is {'a file' if folder else 'a folder'}, but this "
            f"format reads {need}. Correct `path` or `format` in the data section."
        )
    return path


def file_state(file: Path) -> tuple[str, int, int]:
    """Return path, size and modification time: what changes when the contents of a file do."""
    state = file.stat()
    return str(file.absolute()), state.st_size, state.st_mtime_ns


def make_raw(
    images: NDArray[Any],
    labels: NDArray[Any],
    *,
    where: str,
    test: NDArray[np.bool_] | None = None,
) -> RawData:
    """Check images and labels and bring them into the layout of `RawData`.

    Args:
        images: uint8 [n, h, w], [n, h, w, c] or [n, c, h, w], c 1 or 3.
        labels: Integers [n] or [n, 1], at least 0.
        where: The source, for messages.
        test: bool [n]; none where no test split is stored.

    Raises:
        DataError: Wrong type or shape, lengths that differ, no image, or a negative label.
    """
    stored = f"{images.dtype} {list(images.shape)}"
    if images.ndim == 3:
        images = images[:, None]
    elif images.ndim == 4 and images.shape[3] in (1, 3):
        images = images.transpose(0, 3, 1, 2)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3):
        raise DataError(
            f"{where}: the images are {stored}. Allowed is uint8 "
            "(0 to 255) as [n, h, w], [n, h, w, c] or [n, c, h, w] with 1 or 3 channels. "
            "Convert the array."
        )
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise DataError(
            f"{where}: the labels are {labels.dtype} {list(labels.shape)}. Allowed is one "
            "integer per image, [n] or [n, 1]. Convert the array."
        )
    if len(labels) != len(images):
        raise DataError(
            f"{where}: {len(images)} images but {len(labels)} labels. Each image needs exactly "
            "one label; check that both belong to the same split."
        )
    if images.size == 0:
        raise DataError(f"{where}: no image in it. At least one is needed. Check the file.")
    if labels.min() < 0:
        raise DataError(
            f"{where}: image {int(labels.argmin())} has the label {int(labels.min())}. Allowed "
            "are integers from 0. Remove images without a class."
        )
    none = np.zeros(len(labels), dtype=np.bool_)
    return RawData(images, labels.astype(np.int64), none if test is None else test)


def join_splits(splits: Mapping[str, tuple[NDArray[Any], NDArray[Any]]], *, where: str) -> RawData:
    """Return stored splits as one.

    Args:
        splits: Images and labels of ``train`` and, where stored, of ``validation`` and ``test``.
            ``validation`` takes the place of a missing ``test``, else it joins ``train``.
        where: The source, for messages.
    """
    held = "test" if "test" in splits else "validation"
    parts = []
    for name, (images, labels) in splits.items():
        test = np.full(len(labels), name == held)
        parts.append(make_raw(images, labels, where=f"{where} ({name})", test=test))
    if len({part.images.shape[1:] for part in parts}) > 1:
        shapes = ", ".join(
            f"{n} {list(p.images.shape)}" for n, p in zip(splits, parts, strict=True)
        )
        raise DataError(
            f"{where}: the splits differ in image shape: {shapes}. Channels, height and width "
            "must agree. Correct the files."
        )
    return RawData(
        np.concatenate([part.images for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.test for part in parts]),
    )
