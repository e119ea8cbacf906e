"""Checkpoints of a training run: one safetensors file, whole or not there, the last two kept.

Weights, optimizer state and moving average are named tensors; step, space and recipe are JSON
in the file's metadata. No random state is stored, because all randomness is addressed by step.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nas.errors import CheckpointError, TrainingError
from nas.headers import changes, refuse_foreign
from nas.tensor_files import read_tensors, write_tensors

__all__ = ["Checkpoint", "newest_checkpoint", "save_checkpoint"]

_log = logging.getLogger(__name__)

_KIND = "nas training checkpoint"
_FORMAT = 1
_ENTRY = "checkpoint"
_KEPT = 2
_PATTERN = "step-*.safetensors"


@dataclass(frozen=True)
class Checkpoint:
    """One stored state of a training run.

    Attributes:
        step: Steps done.
        tensors: By ``model/…``, ``optimizer/…`` and ``ema/…``, on the CPU.
        about: Space and recipe it belongs to: what must not change on a resume.
        notes: Whatever else the loop needs to go on.
    """

    step: int
    tensors: Mapping[str, Tensor]
    about: Mapping[str, Any]
    notes: Mapping[str, Any]

    def part(self, prefix: str) -> dict[str, Tensor]:
        """Return the tensors whose names begin with ``prefix/``, without it."""
        start = f"{prefix}/"
        return {n.removeprefix(start): t for n, t in self.tensors.items() if n.startswith(start)}


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> Path:
    """Store a checkpoint and delete all but the last two.

    Raises:
        TrainingError: A tensor holds NaN or infinity; nothing is written.
        RunError: The disk is full; what was stored before is intact.
    """
    for name, tensor in checkpoint.tensors.items():
        if not torch.isfinite(tensor).all():
            raise TrainingError(
                f"{name} holds NaN or infinity after step {checkpoint.step}, so it is not "
                "stored; the checkpoint before is intact. Start a new run with a lower "
                "train.learning_rate, or set train.gradient_clip."
            )
    header = {
        "kind": _KIND,
        "format": _FORMAT,
        "step": checkpoint.step,
        "about": checkpoint.about,
        "notes": checkpoint.notes,
    }
    path = folder / f"step-{checkpoint.step:09d}.safetensors"
    write_tensors(path, checkpoint.tensors, header, entry=_ENTRY)
    for old in _stored(folder)[_KEPT:]:
        old.unlink(missing_ok=True)
    return path


def newest_checkpoint(
    folder: Path, about: Mapping[str, Any], defaults: Mapping[str, Any] | None = None
) -> Checkpoint | None:
    """Return the newest checkpoint that can be read and belongs here; None if there is none.

    A damaged or foreign one is passed over with a warning that says so.

    Args:
        folder: The run's folder of checkpoints.
        about: What `Checkpoint.about` must agree with, key by key.
        defaults: What a key means that a checkpoint of an older version does not have.

    Raises:
        CheckpointError: There are checkpoints, but none is good.
    """
    problems = []
    for path in _stored(folder):
        try:
            checkpoint = _read(path, about, defaults or {})
        except CheckpointError as error:
            problems.append(str(error))
            continue
        if problems:
            _log.warning("%s Going on from %s instead.", " ".join(problems), path.name)
        return checkpoint
    if problems:
        raise CheckpointError(
            "No checkpoint can be used: " + " ".join(problems) + " Restore one from a copy, or "
            "start a new run."
        )
    return None


def _stored(folder: Path) -> list[Path]:
    """Return the files of all checkpoints, newest first."""
    return sorted(folder.glob(_PATTERN), reverse=True)


def _read(path: Path, about: Mapping[str, Any], defaults: Mapping[str, Any]) -> Checkpoint:
    header, tensors = read_tensors(path, entry=_ENTRY)
    refuse_foreign(header, path, kind=_KIND, format=_FORMAT)
    changed = changes({**defaults, **header["about"]}, about)
    if changed:
        raise CheckpointError(
            f"{path} belongs to another training: {'; '.join(changed)}. What a training computes "
            "must stay; where and how fast it is computed may change. Put these back, or start a "
            "new run."
        )
    return Checkpoint(header["step"], tensors, header["about"], header["notes"])
