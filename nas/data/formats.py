"""Readers of scikit-learn's digits, of idx files (MNIST and relatives) and of image folders."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nas.data.config import DataConfig
from nas.data.decode import Encoded, decode_images
from nas.data.raw import RawData, file_state, find_path, join_splits, make_raw
from nas.errors import DataError
from search_spaces.optional import import_optional
from search_spaces.progress import Progress

__all__ = ["read_digits", "read_folder", "read_idx"]

_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".webp")
_TEST_FOLDERS = ("test", "val", "valid", "validation")


def read_digits() -> RawData:
    """Return the 1,797 digits of 8x8 grey levels that scikit-learn contains (no download)."""
    datasets = import_optional("sklearn.datasets", extra="digits", purpose="The digits data set")
    digits = datasets.load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)  # stored as 0 to 16
    return make_raw(images, digits.target, where="digits")


def read_idx(path: Path) -> RawData:
    """Read {train,t10k}-{images-idx3,labels-idx1}-ubyte[.gz] from a folder.

    The format (yann.lecun.com/exdb/mnist): two zero bytes, the type (8 is uint8), the number of
    dimensions, each dimension as a big-endian uint32, the values.

    Raises:
        DataError: A file is missing, truncated, or not of this format.
    """
    folder = find_path(path, folder=True)
    splits = {
        split: (
            _idx_array(folder, f"{name}-images-idx3-ubyte", dimensions=3),
            _idx_array(folder, f"{name}-labels-idx1-ubyte", dimensions=1),
        )
        for split, name in (("train", "train"), ("test", "t10k"))
    }
    return join_splits(splits, where=str(folder))


def _idx_array(folder: Path, name: str, *, dimensions: int) -> NDArray[np.uint8]:
    file = next((f for f in (folder / name, folder / f"{name}.gz") if f.is_file()), None)
    if file is None:
        there = ", ".join(sorted(p.name for p in folder.iterdir())[:8]) or "nothing"
        raise DataError(
            f"{folder} holds no {name} or {name}.gz (there is: {there}). The format idx needs "
            "images and labels of train and t10k. Correct `path`, or put the four files there."
        )
    try:
        data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{file} cannot be read to its end ({error}); it is damaged or truncated. "
            "Allowed is a whole idx file. Fetch it again."
        ) from error
    expected = bytes((0, 0, 8, dimensions))
    start = 4 + 4 * dimensions
    if data[:4] != expected or len(data) < start:
        raise DataError(
            f"{file} starts with the bytes {data[:start].hex(' ') or '(none)'}. Allowed is "
            f"{expected.hex(' ')} (uint8, {dimensions} dimensions) and {dimensions} sizes of four "
            "bytes. Correct `path` or `format`, or fetch the file again."
        )
    shape = [int(n) for n in np.frombuffer(data, dtype=">u4", count=dimensions, offset=4)]
    if len(data) - start != math.prod(shape):
        raise DataError(
            f"{file} holds {len(data) - start:,} values, but its header says {shape} = "
            f"{math.prod(shape):,}. The file is truncated or damaged. Fetch it again."
        )
    return np.frombuffer(data, dtype=np.uint8, offset=start).reshape(shape)


def read_folder(path: Path, config: DataConfig, progress: Progress) -> RawData:
    """Read PATH/train/CLASS/ with PATH/test or PATH/val, or PATH/CLASS/ without a split.

    Images may lie deeper below their class folder; hidden files and other suffixes are ignored.
    ``val`` takes the place of a missing ``test``, else it joins ``train``.

    Raises:
        DataError: No class, a class without image, a broken image, or sizes that differ.
    """
    root = find_path(path, folder=True)
    top = [folder.name for folder in _subfolders(root)]
    held = next((name for name in _TEST_FOLDERS if name in top), None)
    if held and "train" not in top:
        raise DataError(
            f"{root} has the folder {held!r} but no 'train'. Allowed are train/CLASS/ with "
            "test/CLASS/ or val/CLASS/, or class folders alone. Add 'train'."
        )
    names = [name for name in ("train", *_TEST_FOLDERS) if name in top]
    splits = [root / name for name in names] or [root]
    classes = tuple(folder.name for folder in _subfolders(splits[0]))
    if len(classes) < 2:
        raise DataError(
            f"{splits[0]} has {len(classes)} class folder(s). At least two are needed, each with "
            "the images of one class. Correct `path`, or sort the images into folders."
        )
    found = [(split, file) for split in splits for file in _class_files(split, classes)]
    files = [file for _, file in found]
    number = {name: i for i, name in enumerate(classes)}
    labels = [number[file.relative_to(split).parts[0]] for split, file in found]
    test = np.array([held is not None and split.name == held for split, _ in found])

    def source(i: int) -> Encoded:
        return Encoded(str(files[i]), files[i])

    identity = [file_state(file) for file in files]
    images = decode_images(source, len(files), config=config, identity=identity, progress=progress)
    raw = make_raw(images, np.array(labels), where=str(root), test=test)
    return RawData(raw.images, raw.labels, raw.test, classes)


def _subfolders(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def _class_files(split: Path, classes: tuple[str, ...]) -> list[Path]:
    """Return the images of one split, class by class."""
    names = [folder.name for folder in _subfolders(split)]
    if not names or not set(names) <= set(classes):
        raise DataError(
            f"{split} has the class folders {', '.join(names) or '(none)'}. Allowed are the "
            f"classes of 'train': {', '.join(classes[:20])}. Rename, add or remove folders."
        )
    files: list[Path] = []
    for name in names:
        inside = sorted(p for p in (split / name).rglob("*") if p.suffix.lower() in _SUFFIXES)
        images = [p for p in inside if not p.name.startswith(".") and p.is_file()]
        if not images:
            raise DataError(
                f"{split / name} holds no image. Allowed suffixes: {', '.join(_SUFFIXES)}. "
                "Add images of this class or remove the folder."
            )
        files += images
    return files
