"""Tensors on disk with a header: one safetensors file, whole or not there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from nas.errors import CheckpointError
from nas.files import atomic_path

__all__ = ["read_tensors", "write_tensors"]


def write_tensors(
    path: Path,
    tensors: Mapping[str, Tensor],
    header: Mapping[str, Any] | None = None,
    *,
    entry: str = "header",
) -> None:
    """Write a file, whole or not at all.

    Args:
        path: Of the file.
        tensors: By name, from any device.
        header: What `json.dumps` takes; by default the file has none.
        entry: Of the file's metadata that holds the header.

    Raises:
        RunError: The disk is full, or the folder is missing or not writable.
    """
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with atomic_path(path) as temporary:
        save_file(plain, temporary, None if header is None else {entry: json.dumps(header)})


def read_tensors(path: Path, *, entry: str = "header") -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the header of a file, empty where it has none, and its tensors on the CPU.

    Raises:
        CheckpointError: The file is missing, truncated or damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get(entry, "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} is missing, truncated or damaged ({error}).") from error
    if not isinstance(header, dict):
        raise CheckpointError(f"{path} is damaged: {entry} in its metadata is no JSON object.")
    return header, tensors
