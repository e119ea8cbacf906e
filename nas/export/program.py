"""model.pt2: the network as a torch.export program with a dynamic batch."""

from __future__ import annotations

import hashlib
import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from nas.errors import ExportError
from nas.files import atomic_write

__all__ = ["PROGRAM", "capture", "digest_of", "load_program", "quiet", "save_program"]

PROGRAM = "model.pt2"


def capture(subnet: nn.Module, images: torch.Tensor) -> torch.export.ExportedProgram:
    """Trace a network into a program that takes any number of images.

    Args:
        subnet: On the CPU, in evaluation mode.
        images: float32 [n, C, H, W], n at least 1.

    Raises:
        ExportError: torch.export cannot trace the network.
    """
    example = images[:1].expand(2, -1, -1, -1).contiguous()  # one image would fix the batch
    try:
        with quiet():
            return torch.export.export(
                subnet, (example,), dynamic_shapes=({0: torch.export.Dim("batch")},)
            )
    except (RuntimeError, ValueError, torch._dynamo.exc.TorchDynamoException) as error:
        raise ExportError(
            f"torch.export cannot trace this network: {_first_line(error)}. "
            "Export it as safetensors only."
        ) from error


def save_program(program: torch.export.ExportedProgram, path: Path) -> None:
    """Write a program.

    Raises:
        RunError: The disk is full or the folder not writable.
    """
    buffer = io.BytesIO()
    with quiet():
        torch.export.save(program, buffer)
    atomic_write(path, buffer.getvalue())


def load_program(path: Path, *, digest: str) -> nn.Module:
    """Read back a program that this process wrote.

    Reading a .pt2 file can execute code hidden in it, so only the very bytes that were
    written are read.

    Args:
        path: The file.
        digest: Its SHA-256 when it was written, from `digest_of`.

    Raises:
        ExportError: The file is missing, was changed, or cannot be read.
    """
    if digest_of(path) != digest:
        raise ExportError(
            f"{path} is not the file that was exported: its contents have changed. "
            "Export the subnet again."
        )
    try:
        with quiet():
            return torch.export.load(path).module()
    except (RuntimeError, ValueError, OSError) as error:
        raise ExportError(f"{path} cannot be read back: {_first_line(error)}.") from error


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal.

    Raises:
        ExportError: It cannot be read.
    """
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ExportError(
            f"cannot read {path}: {error.strerror}. Export the subnet again with that format."
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Keep torch's notes about packages and deprecations of its own from the user."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
