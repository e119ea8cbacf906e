"""From the data section of a configuration to three disjoint splits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from nas.data.cifar import read_cifar
from nas.data.config import DataConfig
from nas.data.decode import decode_image, fit_images, to_channels
from nas.data.folder import list_folder
from nas.data.formats import read_digits, read_folder, read_idx
from nas.data.image_set import ImageSet, channel_statistics
from nas.data.npz import read_npz
from nas.data.raw import RawData
from nas.data.shards import list_shards
from nas.data.sources import EncodedData, decoded
from nas.data.split import stratified_choice
from nas.data.splits import DataSplits
from nas.data.streaming import StreamedSet
from nas.errors import DataError
from nas.rng import stream
from search_spaces.progress import Progress, silent

__all__ = ["load_data"]

_Indices = NDArray[np.int64]
_Labelled = TypeVar("_Labelled", RawData, EncodedData)
_STATISTICS_IMAGES = 4096  # that mean and deviation of streamed images are taken from


def load_data(
    config: DataConfig, *, seed: int, base: Path = Path(), progress: Progress = silent
) -> DataSplits:
    """Read the images and divide them into training, validation and test split.

    A stored test split is kept as it is; without one, a stored validation split takes its place,
    else `test_fraction` of the images is held out. A stored validation split beside a test split
    joins the training images. Then `validation` images are held out of the training images.
    All choices are stratified and depend on the seed alone.

    Args:
        config: The data section.
        seed: Of the run.
        base: What a relative path is relative to: the folder of the configuration file.
        progress: Told how many images are decoded.

    Raises:
        DataError: The source is missing, damaged or cannot be divided as asked.
        MissingExtraError: The digits are asked for without scikit-learn.
    """
    path = _path(config, base)
    if config.streamed:
        return _streamed(config, path, seed, progress)
    raw, names = _named(_read(config, path, progress))
    images = _shaped(raw.images, config)

    def image_set(indices: _Indices) -> ImageSet:
        chosen = torch.from_numpy(np.ascontiguousarray(images[indices]))
        return ImageSet(chosen, torch.from_numpy(raw.labels[indices]), names)

    train, validation, test = map(image_set, _divide(raw, names, config, seed))
    mean, std = channel_statistics(train.images)
    return DataSplits(train, validation, test, mean=mean, std=std, source=_source(config))


def _streamed(config: DataConfig, path: Path | None, seed: int, progress: Progress) -> DataSplits:
    """Return splits of which only the validation images are in memory."""
    assert path is not None, "the configuration was checked"
    with _readable(path):
        data, names = _named((list_shards if config.format == "webdataset" else list_folder)(path))
        first = decode_image(data.source(0), size=config.image_size)
        shape = (config.channels or 3, *first.shape[1:])
        everything = torch.arange(len(data.labels))
        whole = StreamedSet(
            data.source, everything, torch.from_numpy(data.labels), names, shape, config
        )
        train, validation, test = (
            whole.part(torch.from_numpy(indices)) for indices in _divide(data, names, config, seed)
        )
        held = validation.select(torch.arange(len(validation)), progress=progress)
        count = min(len(train), _STATISTICS_IMAGES)
        chosen = stream(seed, "statistics").choice(len(train), size=count, replace=False)
        sample = train.select(torch.from_numpy(chosen), progress=progress)
    mean, std = channel_statistics(sample.images)
    return DataSplits(train, held, test, mean=mean, std=std, source=_source(config))


def _source(config: DataConfig) -> str:
    """Return where the images came from, for people."""
    return config.format if config.path is None else f"{config.format}: {Path(config.path).name}"


def _divide(
    raw: RawData | EncodedData, names: tuple[str, ...], config: DataConfig, seed: int
) -> tuple[_Indices, _Indices, _Indices]:
    """Return the images of training, validation and test split."""

    def take(count: int, of: _Indices, stream_name: str, setting: str) -> _Indices:
        rng = stream(seed, stream_name)
        labels = raw.labels[of]
        return of[stratified_choice(labels, count, rng=rng, class_names=names, purpose=setting)]

    train, test = np.flatnonzero(~raw.test), np.flatnonzero(raw.test)
    if test.size == 0:
        count = max(1, round(config.test_fraction * len(train)))
        test = take(count, train, "test-split", f"`test_fraction = {config.test_fraction}`")
        train = np.setdiff1d(train, test)
    setting = f"`validation = {config.validation}`"
    validation = take(config.validation, train, "validation-split", setting)
    train = np.setdiff1d(train, validation)
    if config.train_limit is not None and config.train_limit < len(train):
        setting = f"`train_limit = {config.train_limit}`"
        surplus = take(len(train) - config.train_limit, train, "train-limit", setting)
        train = np.setdiff1d(train, surplus)
    return train, validation, test


def _path(config: DataConfig, base: Path) -> Path | None:
    """Return where the images are; None where they come with a package."""
    if config.path is None:
        return None
    try:
        return base / Path(config.path).expanduser()
    except RuntimeError as error:
        raise DataError(
            f"The data path {config.path!r} starts with a home folder that is not known. "
            "Allowed are `~/` and paths without `~`. Write the path in full."
        ) from error


def _read(config: DataConfig, path: Path | None, progress: Progress) -> RawData:
    if path is None:
        return read_digits()
    with _readable(path):
        if config.format == "idx":
            return read_idx(path)
        if config.format == "cifar":
            return read_cifar(path)
        if config.format == "webdataset":
            return decoded(list_shards(path), config, progress)
        reader = read_npz if config.format == "npz" else read_folder
        return reader(path, config, progress)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Say what the system means when it cannot read the images at a path."""
    try:
        yield
    except (OSError, MemoryError) as error:
        raise DataError(
            f"The images at {str(path)[:500]!r} cannot be read: {error or 'not enough memory'}. "
            "They must be readable and fit in memory as uint8. Correct `path` or the access "
            "rights, set a smaller `image_size`, or decode while training: `streamed = true`."
        ) from error


def _named(raw: _Labelled) -> tuple[_Labelled, tuple[str, ...]]:
    """Number the labels as the class names are; without names, number those that occur."""
    values = np.unique(raw.labels)
    names = raw.class_names
    if names is None:
        names = tuple(str(value) for value in values)
        raw = replace(raw, labels=np.searchsorted(values, raw.labels))
    elif values[-1] >= len(names):
        raise DataError(
            f"A label is {values[-1]}, but there are {len(names)} class names, so labels from 0 "
            f"to {len(names) - 1} are allowed. Correct the labels or the names."
        )
    if len(values) < 2:
        raise DataError(
            f"All images are of class {names[raw.labels[0]]!r}. At least two classes are needed. "
            "Check the labels."
        )
    unseen = np.setdiff1d(raw.labels[raw.test], raw.labels[~raw.test])
    if unseen.size:
        raise DataError(
            f"The test split holds images of class {names[unseen[0]]!r}, but no training image "
            "is of it. Each class needs training images. Add some, or remove the class."
        )
    return raw, names


def _shaped(images: NDArray[np.uint8], config: DataConfig) -> NDArray[np.uint8]:
    """Bring images to the size and the number of channels that are asked for."""
    if config.image_size is not None:
        images = fit_images(images, config.image_size)
    return to_channels(images, config.channels)
