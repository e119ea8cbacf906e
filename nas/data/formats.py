"""Readers of scikit-learn's digits, of idx files (MNIST and relatives) and of image folders."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nas.data.config import DataConfig
from nas.data.folder import list_folder
from nas.data.raw import RawData, find_path, join_splits, make_raw
from nas.data.sources import decoded
from nas.errors import DataError
from search_spaces.optional import import_optional
from search_spaces.progress import Progress

__all__ = ["read_digits", "read_folder", "read_idx"]


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
    """Read all images that `list_folder` finds.

    Raises:
        DataError: No class, a class without image, a broken image, or sizes that differ.
    """
    return decoded(list_folder(path), config, progress)
