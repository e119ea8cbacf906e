"""A teacher's answers, stored once and replayed (Wu et al. 2022, TinyViT, arXiv:2207.10666).

What a teacher thinks of an image depends on the image as it was augmented. The augmentation of a
step is a function of seed, batch size and step, so the seed is stored, and for every image of
every epoch the most probable classes: numbers int16, or int32 beyond 32,767 classes, and
probabilities float16. The classes left out share what is left of the probability (section 3.1).

A folder holds ``teacher.json`` and a safetensors file for each epoch, ``indices`` and
``probabilities`` [images, k] in the order of the steps.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nas.data import AugmentConfig, DataSplits, Images, StreamedSet
from nas.errors import CheckpointError
from nas.files import atomic_write
from nas.headers import changes, refuse_foreign
from nas.json_files import read_object
from nas.tensor_files import read_tensors, write_tensors
from search_spaces.progress import Progress, silent

__all__ = ["StoredTeacher", "answers_belong_to", "store_teacher"]

_KIND = "nas stored teacher"
_FORMAT = 1
_NAME = "teacher.json"
_LEAST = 1e-7  # of probability for all classes that were left out, so that its logarithm is finite


@dataclass(frozen=True)
class StoredTeacher:
    """A folder that `store_teacher` has filled.

    Attributes:
        folder: Where it is.
        about: What it says of itself.
    """

    folder: Path
    about: Mapping[str, Any]

    @classmethod
    def open(cls, folder: Path | str, expected: Mapping[str, Any]) -> StoredTeacher:
        """Open a stored teacher.

        Args:
            folder: Where it is.
            expected: What `about` must agree with, key by key.

        Raises:
            CheckpointError: It is missing, damaged, of a newer format, not finished, or of
                other data, another augmentation or another batch size.
        """
        folder = Path(folder)
        if not (folder / _NAME).is_file():
            raise CheckpointError(
                f"{folder} holds no stored teacher, it has no {_NAME}. Make one: "
                f"nas teacher store CONFIG --run RUN --out {folder}"
            )
        about = read_object(folder / _NAME)
        refuse_foreign(about, folder, kind=_KIND, format=_FORMAT)
        _refuse_other(folder, about, expected)
        missing = [e for e in range(int(about["epochs"])) if not (folder / _file(e)).is_file()]
        if missing:
            raise CheckpointError(
                f"{folder} lacks {len(missing)} of {about['epochs']} epochs, the first is "
                f"{missing[0]}: storing it was stopped. Run the same `nas teacher store` again: "
                "it goes on."
            )
        return cls(folder, about)

    @property
    def seed(self) -> int:
        """The seed of the order and of the augmentation of the images."""
        return int(self.about["seed"])

    @property
    def epochs(self) -> int:
        """Epochs that are stored; a longer training sees them again."""
        return int(self.about["epochs"])

    @cached_property
    def identity(self) -> str:
        """16 hex digits that differ when anything it says of itself differs."""
        text = json.dumps(dict(self.about), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def bytes_per_image_and_epoch(self) -> float:
        """Size of all files over images and epochs."""
        size = sum(path.stat().st_size for path in self.folder.iterdir())
        return size / (self.epochs * int(self.about["images_per_epoch"]))

    def logits(self, epoch: int, position: int, *, device: torch.device) -> Tensor:
        """Return the logarithms of the class probabilities of one step, float32 [n, classes].

        Args:
            epoch: Below `epochs`.
            position: Of the step in its epoch.
            device: Where they are wanted.

        Raises:
            CheckpointError: The file of the epoch is missing or damaged.
        """
        size = int(self.about["batch_size"])
        rows = slice(position * size, (position + 1) * size)
        stored = _epoch(self.folder, epoch)
        indices = stored["indices"][rows].to(device, torch.int64)
        kept = stored["probabilities"][rows].to(device, torch.float32)
        classes = int(self.about["classes"])
        left = (1 - kept.sum(1, keepdim=True)).clamp(min=_LEAST)
        rest = left / max(1, classes - kept.shape[1])
        dense = rest.expand(-1, classes).scatter(1, indices, kept.clamp(min=_LEAST))
        return dense.log()


@lru_cache(maxsize=2)
def _epoch(folder: Path, epoch: int) -> dict[str, Tensor]:
    path = folder / _file(epoch)
    try:
        return read_tensors(path)[1]
    except CheckpointError as error:
        raise CheckpointError(
            f"{error} Remove it and store the teacher again; the other epochs are kept."
        ) from error


def _file(epoch: int) -> str:
    return f"epoch-{epoch:05d}.safetensors"


def _refuse_other(folder: Path, about: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    before = {**_augment_settings(AugmentConfig()), **about}  # a setting newer than the folder
    changed = changes(before, expected)
    if changed:
        raise CheckpointError(
            f"The teacher in {folder} was stored for another training: {'; '.join(changed)}. "
            "Train as it was stored, or store it again in another folder."
        )


def answers_belong_to(
    splits: DataSplits, batch_size: int, augment: AugmentConfig
) -> dict[str, Any]:
    """Return what a training must be for its images to be those that a teacher has answered."""
    steps = len(splits.train) // batch_size
    return {
        "data": _fingerprint(splits.train),
        "classes": len(splits.train.class_names),
        "batch_size": batch_size,
        "images_per_epoch": steps * batch_size,
        **_augment_settings(augment),
    }


def _augment_settings(augment: AugmentConfig) -> dict[str, Any]:
    return {f"augment.{key}": value for key, value in augment.model_dump(mode="json").items()}


def _fingerprint(image_set: Images) -> str:
    """Return 16 hex digits that differ when images, labels or their order differ.

    Of streamed images the numbers count, not the pixels.
    """
    digest = hashlib.sha256(json.dumps([*image_set.shape, *image_set.class_names]).encode())
    digest.update(image_set.labels.cpu().numpy().tobytes())
    if isinstance(image_set, StreamedSet):
        digest.update(image_set.numbers.numpy().tobytes())
        return digest.hexdigest()[:16]
    for part in torch.split(image_set.images, 1024):
        digest.update(part.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def store_teacher(
    folder: Path | str,
    about: Mapping[str, Any],
    *,
    probabilities: Callable[[int], Iterable[Tensor]],
    epochs: int,
    top: int,
    progress: Progress = silent,
) -> StoredTeacher:
    """Store a teacher's answers, or go on where that was stopped; whole epochs are kept.

    Args:
        folder: Where to; made where it is missing.
        about: What the training must be to which it belongs, with ``seed``, ``batch_size`` and
            ``classes``, and who the teacher is.
        probabilities: From an epoch to the class probabilities [n, classes] of its steps.
        epochs: How many.
        top: Classes kept for each image.
        progress: Told after every epoch.

    Raises:
        CheckpointError: The folder holds another stored teacher.
        RunError: The disk is full or the folder not writable.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    top = min(top, int(about["classes"]))
    header = {**about, "kind": _KIND, "format": _FORMAT, "epochs": epochs, "top": top}
    if (folder / _NAME).exists():
        stored = read_object(folder / _NAME)
        _refuse_other(folder, stored, header)
    else:
        atomic_write(folder / _NAME, json.dumps(header, indent=2) + "\n")
    small = torch.int16 if int(about["classes"]) <= torch.iinfo(torch.int16).max else torch.int32
    for epoch in range(epochs):
        if not (folder / _file(epoch)).exists():
            best = [answer.topk(top, dim=1) for answer in probabilities(epoch)]
            tensors = {
                "indices": torch.cat([b.indices for b in best]).to("cpu", small),
                "probabilities": torch.cat([b.values for b in best]).to("cpu", torch.float16),
            }
            write_tensors(folder / _file(epoch), tensors)
        progress(epoch + 1, epochs, f"epoch {epoch + 1}")
    return StoredTeacher(folder, header)
