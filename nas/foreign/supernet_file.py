"""A supernet as one safetensors file: all shared weights, and the space in its metadata."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from nas.errors import CheckpointError
from nas.files import atomic_path
from search_spaces import SpaceError, described_space
from search_spaces.supernet import Supernet

__all__ = ["load_supernet_file", "save_supernet_file"]

_KIND = "nas supernet"
_FORMAT = 1


def save_supernet_file(supernet: Supernet, path: Path | str, *, source: str) -> None:
    """Write a supernet, whole or not at all.

    Args:
        supernet: Parameters and running statistics are written.
        path: A file in a folder that exists.
        source: Where the weights come from.

    Raises:
        RunError: The disk is full, or the folder is missing or not writable.
    """
    space = supernet.space
    header = {
        "kind": _KIND,
        "format": _FORMAT,
        "space": space.description,
        "fingerprint": space.fingerprint,
        "source": source,
    }
    tensors = {n: t.detach().cpu().contiguous() for n, t in supernet.state_dict().items()}
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, {"supernet": json.dumps(header)})


def load_supernet_file(path: Path | str) -> Supernet:
    """Read what `save_supernet_file` wrote; the supernet is in evaluation mode, on the CPU.

    Raises:
        CheckpointError: The file is missing, damaged, or of another version of the space.
    """
    path = Path(path)
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get("supernet", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read as safetensors ({error}).") from error
    if header.get("kind") != _KIND or header.get("format") != _FORMAT:
        raise CheckpointError(
            f"{path} is no supernet file of format {_FORMAT}. Write one with: nas "
            "import-checkpoint --format NAME FILE --space NAME --out NEW.safetensors"
        )
    try:
        space = described_space(header["space"])
    except SpaceError as error:
        raise CheckpointError(f"The space of {path} cannot be built: {error}") from error
    supernet = Supernet(space)
    expected = {name: tensor.shape for name, tensor in supernet.state_dict().items()}
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    if space.fingerprint != header["fingerprint"] or shapes != expected:
        raise CheckpointError(
            f"{path} was written for another version of space {space.name!r}. Import the "
            "original checkpoint again."
        )
    supernet.load_state_dict(tensors)
    return supernet.eval()
