"""A supernet as one safetensors file: all shared weights, and the space in its metadata."""

from __future__ import annotations

from pathlib import Path

from nas.errors import CheckpointError
from nas.headers import refuse_foreign
from nas.tensor_files import read_tensors, write_tensors
from search_spaces import SpaceError, described_space
from search_spaces.supernet import Supernet

__all__ = ["load_supernet_file", "save_supernet_file"]

_KIND = "nas supernet"
_FORMAT = 1
_ENTRY = "supernet"


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
    write_tensors(Path(path), supernet.state_dict(), header, entry=_ENTRY)


def load_supernet_file(path: Path | str) -> Supernet:
    """Read what `save_supernet_file` wrote; the supernet is in evaluation mode, on the CPU.

    Raises:
        CheckpointError: The file is missing, damaged, or of another version of the space.
    """
    path = Path(path)
    header, tensors = read_tensors(path, entry=_ENTRY)
    refuse_foreign(header, path, kind=_KIND, format=_FORMAT)
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
