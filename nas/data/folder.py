"""Finder of images in folders named after their classes, as ImageNet and Tiny-ImageNet lie."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from nas.data.raw import find_path
from nas.data.sources import EncodedData, FileSource
from nas.errors import DataError

__all__ = ["list_folder"]

_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".webp")
_TEST_FOLDERS = ("test", "val", "valid", "validation")
_ANNOTATIONS = "val_annotations.txt"  # of Tiny-ImageNet: file name, class, box


def list_folder(path: Path) -> EncodedData:
    """Find PATH/train/CLASS/ with PATH/test or PATH/val, or PATH/CLASS/ without a split.

    Images may lie deeper below their class folder; hidden files and other suffixes are ignored.
    ``val`` takes the place of a missing ``test``, else it joins ``train``. Tiny-ImageNet is read
    as it is unpacked: the classes of its ``val`` are in a file, and its ``test`` has none and is
    left out.

    Raises:
        DataError: No class, or a class without image.
    """
    root = find_path(path, folder=True)
    top = [folder.name for folder in _subfolders(root)]
    tiny = (root / "val" / _ANNOTATIONS).is_file()
    if tiny:
        top = [name for name in top if name in ("train", "val")]
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
    files: list[Path] = []
    labels: list[int] = []
    test: list[bool] = []
    for split in splits:
        annotated = tiny and split.name == "val"
        find = _annotated_files if annotated else _class_files
        for file, label in find(split, classes):
            files.append(file)
            labels.append(label)
            test.append(split.name == held)
    return EncodedData(
        FileSource(files),
        np.array(labels, dtype=np.int64),
        np.array(test, dtype=np.bool_),
        classes,
        str(root),
    )


def _subfolders(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def _class_files(split: Path, classes: tuple[str, ...]) -> Iterator[tuple[Path, int]]:
    """Yield the images of one split with their labels, class by class."""
    names = [folder.name for folder in _subfolders(split)]
    if not names or not set(names) <= set(classes):
        raise DataError(
            f"{split} has the class folders {', '.join(names) or '(none)'}. Allowed are the "
            f"classes of 'train': {', '.join(classes[:20])}. Rename, add or remove folders."
        )
    number = {name: i for i, name in enumerate(classes)}
    for name in names:
        images = sorted(_images_below(split / name))
        if not images:
            raise DataError(
                f"{split / name} holds no image. Allowed suffixes: {', '.join(_SUFFIXES)}. "
                "Add images of this class or remove the folder."
            )
        for file in images:
            yield file, number[name]


def _images_below(folder: Path) -> Iterator[Path]:
    """Yield image files by name alone: asking the disk about a million files takes minutes."""
    for inside, _, files in os.walk(folder):
        for name in files:
            if name.lower().endswith(_SUFFIXES) and not name.startswith("."):
                yield Path(inside, name)


def _annotated_files(split: Path, classes: tuple[str, ...]) -> Iterator[tuple[Path, int]]:
    """Yield the images of Tiny-ImageNet's validation split with their labels."""
    annotations = split / _ANNOTATIONS
    number = {name: i for i, name in enumerate(classes)}
    lines = annotations.read_text(encoding="utf-8", errors="replace").splitlines()
    for position, line in enumerate(lines, 1):
        name, _, rest = line.partition("\t")
        label = number.get(rest.partition("\t")[0])
        if label is None:
            raise DataError(
                f"{annotations}, line {position}: {line[:80]!r} names no class of 'train'. "
                "Allowed is a file name, a tab, and a class folder's name. Unpack it again."
            )
        yield split / "images" / name, label
