"""Reader of .npz files: arrays of pixels, or encoded images in one blob with offsets."""

from __future__ import annotations

import math
import struct
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.data.config import DataConfig
from nas.data.decode import Encoded, decode_images
from nas.data.raw import RawData, file_state, find_path, join_splits, make_raw
from nas.errors import DataError
from search_spaces.progress import Progress

__all__ = ["read_npz"]

_SPLITS = {  # split -> (images, labels), as Keras and MedMNIST write them
    "train": (("x_train", "y_train"), ("train_images", "train_labels")),
    "validation": (("x_val", "y_val"), ("val_images", "val_labels")),
    "test": (("x_test", "y_test"), ("test_images", "test_labels")),
}
_ENCODED = ("jpeg", "images_encoded")
_IMAGES = ("images", "x")
_LABELS = ("labels", "y")
_CLASS_NAMES = ("class_names", "classes", "label_names", "names", "wnids")
_KNOWN = {name for pairs in _SPLITS.values() for pair in pairs for name in pair}.union(
    _ENCODED, _IMAGES, _LABELS, _CLASS_NAMES, ("offsets", "split", "data")
)
_DAMAGED = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    MemoryError,
    RuntimeError,  # an encrypted or otherwise unsupported archive
    SyntaxError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
_Arrays = dict[str, NDArray[Any]]


def read_npz(path: Path, config: DataConfig, progress: Progress) -> RawData:
    """Read an .npz file in one of the usual layouts, never with pickle.

    * ``x_train, y_train, x_test, y_test`` (Keras), ``train_images, train_labels, val_images,
      ..., test_labels`` (MedMNIST), or ``images, labels`` with an optional ``split``;
      uint8 [n, h, w], [n, h, w, c] or [n, c, h, w];
    * ``jpeg`` (or ``images_encoded``), a uint8 blob in which image i is
      ``blob[offsets[i]:offsets[i + 1]]``, with ``labels`` and an optional ``split``.

    * a folder of ``train_data_batch_*.npz`` and ``val_data.npz`` with ``data`` (one row of red,
      then green, then blue values for each image) and ``labels``: ImageNet at 16, 32 or 64 px
      (Chrabaszcz et al. 2017, arXiv:1707.08819).

    ``split`` is 0 for training and 1 for test. Names of classes are taken from a string array
    ``class_names``, ``classes``, ``label_names``, ``names`` or ``wnids``.

    Raises:
        DataError: The file is damaged, holds pickled objects, or none of these layouts.
    """
    if path.is_dir():
        return _read_batches(path)
    file = find_path(path, folder=False)
    arrays = _load(file)
    where = str(file)
    labels = _first(arrays, _LABELS)
    if labels and (encoded := _first(arrays, _ENCODED)) and "offsets" in arrays:
        images = _decoded(file, arrays, encoded, config, progress)
        raw = make_raw(images, arrays[labels], where=where, test=_stored_test(arrays, where))
    elif labels and (pixels := _first(arrays, _IMAGES)):
        test = _stored_test(arrays, where)
        raw = make_raw(arrays[pixels], arrays[labels], where=where, test=test)
    else:
        splits = {
            split: (arrays[x], arrays[y])
            for split, pairs in _SPLITS.items()
            for x, y in pairs
            if x in arrays and y in arrays
        }
        if "train" not in splits:
            raise DataError(
                f"{where} has no training images with labels under a usual name. Arrays in it: "
                f"{', '.join(sorted(arrays)) or 'none'}. Allowed: x_train, y_train[, x_test, "
                "y_test]; train_images, train_labels[, val_*, test_*]; images, labels[, split]; "
                "jpeg, offsets, labels[, split]. Rename the arrays."
            )
        raw = join_splits(splits, where=where)
    return replace(raw, class_names=_class_names(arrays))


def _read_batches(folder: Path) -> RawData:
    """Read small ImageNet's batches; its labels begin with 1, which `load_data` evens out."""
    train, test = sorted(folder.glob("train_data*.npz")), sorted(folder.glob("val_data*.npz"))
    if not train or not test:
        there = ", ".join(sorted(p.name for p in folder.iterdir())[:8]) or "nothing"
        raise DataError(
            f"{folder} holds no train_data_batch_*.npz and val_data.npz (there is: {there}). A "
            "folder in the format npz is small ImageNet's; else `path` is one file. Correct it."
        )
    parts = {"train": map(_batch, train), "test": map(_batch, test)}
    splits = {}
    for name, batches in parts.items():
        images, labels = zip(*batches, strict=True)
        splits[name] = np.concatenate(images), np.concatenate(labels)
    return join_splits(splits, where=str(folder))


def _batch(file: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return images [n, 3, side, side] and labels of one batch of small ImageNet."""
    arrays = _load(file)
    rows, labels = arrays.get("data", np.empty(0)), arrays.get("labels", np.empty(0))
    side = math.isqrt(rows.shape[-1] // 3)
    if rows.ndim != 2 or rows.shape[1] != 3 * side * side or labels.ndim != 1:
        raise DataError(
            f"{file}: `data` is {list(rows.shape)} and `labels` {list(labels.shape)}. Allowed are "
            "[n, 3 * side * side] and [n]. Fetch the file again."
        )
    return rows.reshape(-1, 3, side, side), labels


def _load(file: Path) -> _Arrays:
    """Read the arrays this module knows, by name in lower case; others are left empty."""
    try:
        with np.load(file, allow_pickle=False) as archive:
            found = {name.lower(): name for name in archive.files}
            return {n: archive[found[n]] if n in _KNOWN else np.empty(0) for n in found}
    except (*_DAMAGED, AttributeError, TypeError) as error:  # the last two: a single .npy array
        pickled = "allow_pickle" in str(error)
        reason = (
            "it is no .npz file, or an array in it holds pickled Python objects"
            if pickled
            else f"it is damaged or no .npz file: {str(error) or type(error).__name__}"
        )
        raise DataError(
            f"{file} cannot be read: {reason}. Allowed are .npz files of plain number and "
            "string arrays. Write it again with numpy.savez."
        ) from error


def _first(arrays: _Arrays, names: Iterable[str]) -> str | None:
    return next((name for name in names if name in arrays), None)


def _class_names(arrays: _Arrays) -> tuple[str, ...] | None:
    """Return the first array of distinct names."""
    for name in _CLASS_NAMES:
        values = arrays.get(name, np.empty(0))
        if values.dtype.kind == "U" and values.ndim == 1 and len(np.unique(values)) == len(values):
            return tuple(values.tolist())
    return None


def _stored_test(arrays: _Arrays, where: str) -> NDArray[np.bool_] | None:
    """Return which images the optional array `split` marks as test."""
    if "split" not in arrays:
        return None
    split = arrays["split"]
    count = arrays[_first(arrays, _LABELS) or "split"].shape[0]
    if split.shape != (count,) or not np.isin(split, (0, 1)).all():
        raise DataError(
            f"{where}: `split` is {split.dtype} {list(split.shape)} with the values "
            f"{np.unique(split)[:8].tolist()}. Allowed is one number per image, 0 for training "
            f"and 1 for test ({count} images). Correct or remove it."
        )
    return np.asarray(split == 1)


def _decoded(
    file: Path, arrays: _Arrays, name: str, config: DataConfig, progress: Progress
) -> NDArray[np.uint8]:
    """Decode the images of a blob, or take them from the cache."""
    blob, offsets = arrays[name], arrays["offsets"]
    good = blob.dtype == np.uint8 and blob.ndim == 1
    good = good and offsets.dtype.kind in "iu" and offsets.ndim == 1 and len(offsets) > 1
    ends = offsets.astype(np.int64) if good else np.zeros(2, dtype=np.int64)
    if ends[0] < 0 or ends[-1] > len(blob) or (np.diff(ends) <= 0).any():
        raise DataError(
            f"{file}: `{name}` is {blob.dtype} {list(blob.shape)} and `offsets` is "
            f"{offsets.dtype} {list(offsets.shape)}. Allowed are uint8 [bytes] and rising "
            "integers [images + 1] from 0 to at most the number of bytes. Write the file again."
        )

    def source(i: int) -> Encoded:
        return Encoded(f"Image {i} of {file}", blob[ends[i] : ends[i + 1]].tobytes())

    identity = [file_state(file), name]
    return decode_images(
        source, len(ends) - 1, config=config, identity=identity, progress=progress
    )
