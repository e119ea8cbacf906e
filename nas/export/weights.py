"""model.safetensors: the weights, and the network rebuilt around them."""

from __future__ import annotations

from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import nn

from nas.errors import ExportError
from nas.export.manifest import Manifest, read_manifest
from nas.files import atomic_write
from search_spaces import SpaceError, get_space
from search_spaces.supernet import build_network

__all__ = ["WEIGHTS", "load_exported", "save_weights"]

WEIGHTS = "model.safetensors"


def save_weights(subnet: nn.Module, path: Path) -> None:
    """Write parameters and buffers of a module on the CPU.

    Raises:
        RunError: The disk is full or the folder not writable.
    """
    state = {name: tensor.contiguous() for name, tensor in subnet.state_dict().items()}
    atomic_write(path, safetensors.torch.save(state, metadata={"format": "pt"}))


def load_exported(folder: Path | str) -> nn.Module:
    """Rebuild an exported subnet from architecture.json and model.safetensors.

    Nothing that is read can execute code.

    Args:
        folder: What `export_subnet` made.

    Returns:
        The network on the CPU, in evaluation mode. It takes normalised float32 images
        [n, C, H, W] and returns logits [n, classes].

    Raises:
        ExportError: A file is missing, damaged, or was made by another version of the space.
    """
    folder = Path(folder)
    network = rebuild(read_manifest(folder))
    path = folder / WEIGHTS
    try:
        weights = safetensors.torch.load_file(path)
    except FileNotFoundError as error:
        raise ExportError(
            f"{folder} holds no {WEIGHTS}. Export again with the format safetensors."
        ) from error
    except (OSError, safetensors.SafetensorError) as error:
        raise ExportError(f"{path} is damaged: {error}. Export the subnet again.") from error
    _check(network, weights, path)
    network.load_state_dict(weights)
    return network.eval()


def rebuild(manifest: Manifest) -> nn.Module:
    """Return a freshly initialised network of the exported architecture.

    Raises:
        ExportError: This version's space does not have the architecture, or has another
            network for it.
    """
    try:
        space = get_space(manifest.space_name, **manifest.space_options)
        id = space.id_of(manifest.architecture)
    except SpaceError as error:
        raise ExportError(
            f"the exported subnet {manifest.id} cannot be rebuilt: {error}"
        ) from error
    if id != manifest.id:
        raise ExportError(
            f"the exported subnet {manifest.id} is {id} in this version's space "
            f"{space.name}: the space has changed, or architecture.json was edited. "
            "Use the version of subnet-search that wrote it, or export again."
        )
    return build_network(space, manifest.architecture)


def _check(network: nn.Module, weights: dict[str, torch.Tensor], path: Path) -> None:
    """Refuse weights of another network.

    Raises:
        ExportError: A tensor is missing, unknown, or of another shape.
    """
    expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    given = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    wrong = [name for name in {**expected, **given} if expected.get(name) != given.get(name)]
    if wrong:
        name = wrong[0]
        raise ExportError(
            f"{path} holds weights of another network: {name} is "
            f"{_words(given.get(name))}, the architecture needs {_words(expected.get(name))} "
            f"({len(wrong)} tensors differ). Export the subnet again."
        )


def _words(shape: tuple[int, ...] | None) -> str:
    return "missing" if shape is None else f"{list(shape)}"
