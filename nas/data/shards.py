"""Finder of images in WebDataset shards: tar files whose members share a key per sample.

A sample is ``KEY.jpg`` (or another image) with ``KEY.cls``, its class as a number in text. The
tar files are not read as streams, as the package webdataset does, which shuffles inside a buffer:
after a stop, the samples that a buffer held would be seen twice or never. Here the places of all
members are looked up once, and images are then read at their place in any order. So shards are
shuffled, divided among processes and resumed like images in folders, and no package is needed.
The price is a read at a random place for each image, which a local disk bears and a network
object store does not: copy the shards to the machine first.
"""

from __future__ import annotations

import tarfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from nas.data.raw import find_path
from nas.data.sources import EncodedData, ShardSource
from nas.errors import DataError

__all__ = ["list_shards"]

_IMAGES = ("jpg", "jpeg", "png", "webp", "bmp")
_TEST_WORDS = ("test", "val")
_NAMES = ("classes.txt", "classnames.txt")


@dataclass
class _Found:
    """What was found in the shards so far."""

    places: list[tuple[int, int, int]] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    split: list[str] = field(default_factory=list)


def list_shards(path: Path) -> EncodedData:
    """Find the images of all tar files in a folder.

    A shard with ``test`` in its name belongs to the test split, one with ``val`` takes the place
    of a missing test split, else it joins the training images. One name a line in ``classes.txt``
    names the classes.

    Raises:
        DataError: There is no shard, one is damaged or compressed, or a sample has no class.
    """
    folder = find_path(path, folder=True)
    shards = tuple(sorted(folder.glob("*.tar")))
    if not shards:
        there = ", ".join(sorted(p.name for p in folder.iterdir())[:8]) or "nothing"
        raise DataError(
            f"{folder} holds no .tar file (there is: {there}). The format webdataset reads "
            "uncompressed tar files in one folder. Correct `path`."
        )
    found = _Found()
    for number, shard in enumerate(shards):
        split = next((word for word in _TEST_WORDS if word in shard.name), "train")
        _look_into(shard, number, split, found)
    if not found.labels:
        raise DataError(f"The shards of {folder} hold no image with a class (KEY.jpg, KEY.cls).")
    held = next((word for word in _TEST_WORDS if word in found.split), "")
    names = next((folder / name for name in _NAMES if (folder / name).is_file()), None)
    return EncodedData(
        ShardSource(shards, torch.tensor(found.places)),
        np.array(found.labels, dtype=np.int64),
        np.array([split == held for split in found.split]),
        tuple(names.read_text(encoding="utf-8").splitlines()) if names else None,
        str(folder),
    )


def _look_into(shard: Path, number: int, split: str, found: _Found) -> None:
    """Add the samples of one shard."""
    images: dict[str, tuple[int, int, int]] = {}
    classes: dict[str, int] = {}
    try:
        with tarfile.open(shard, "r:") as archive:
            for member in archive:
                folder, _, name = member.name.rpartition("/")
                stem, _, kind = name.partition(".")
                key = f"{folder}/{stem}"
                if not member.isreg():
                    continue
                if kind.lower() in _IMAGES:
                    images[key] = (number, member.offset_data, member.size)
                elif kind == "cls":
                    content = archive.extractfile(member)
                    classes[key] = int(content.read()) if content else -1
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise DataError(
            f"{shard} is damaged, compressed, or has a class that is no number: {error}. Allowed "
            "are uncompressed tar files of KEY.jpg and KEY.cls. Write it again."
        ) from error
    if images.keys() != classes.keys():
        lonely = min(images.keys() ^ classes.keys()).removeprefix("/")
        raise DataError(
            f"{shard}: {lonely!r} has an image or a class (.cls), but not both. Every sample "
            "needs both. Write the shard again."
        )
    found.places += images.values()
    found.labels += [classes[key] for key in images]
    found.split += [split] * len(images)
