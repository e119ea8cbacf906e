"""Foreign state dicts: read without running code, checked by name and shape, taken over."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor

from nas.errors import CheckpointError
from predictors.foreign.torch_file import load_plain
from search_spaces.supernet import Supernet

__all__ = ["Origin", "State", "read_state", "take_over"]

State: TypeAlias = dict[str, Tensor]

_WRAPPERS = ("state_dict", "model", "model_state_dict")
_PARALLEL = "module."
_LISTED = 8


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a parameter of ours is found in the foreign state dict.

    Attributes:
        name: Of the foreign tensor; several of ours may be parts of one.
        shape: Of the foreign tensor.
        region: What of it is ours, a slice for each leading dimension; by default all of it.
            Reshaped it has the shape of ours.
    """

    name: str
    shape: tuple[int, ...]
    region: tuple[slice, ...] = ()


def read_state(path: Path | str) -> State:
    """Read a checkpoint of torch: a state dict, bare or under ``state_dict`` or ``model``.

    Nothing in the file can execute code. The prefix of a data-parallel module is dropped.

    Raises:
        CheckpointError: The file is missing, damaged, holds more than plain tensors, or no
            state dict.
    """
    path = Path(path)
    advice = (
        "Save only its state dict, with torch.save(model.state_dict(), FILE), where you trust it."
    )
    value = load_plain(path, error=CheckpointError, advice=advice)
    return _state_of(value, path)


def _state_of(value: Any, path: Path) -> State:
    for wrapper in _WRAPPERS:
        if isinstance(value, Mapping) and isinstance(value.get(wrapper), Mapping):
            value = value[wrapper]
            break
    if not isinstance(value, Mapping) or not value:
        raise CheckpointError(
            f"{path} holds a {type(value).__name__}, not a state dict: a mapping from names to "
            f"tensors, bare or under one of {list(_WRAPPERS)}."
        )
    other = [name for name, tensor in value.items() if not isinstance(tensor, Tensor)]
    if other:
        raise CheckpointError(f"{path}: {_listed(other)} in the state dict are no tensors.")
    parallel = all(str(name).startswith(_PARALLEL) for name in value)
    return {str(n).removeprefix(_PARALLEL) if parallel else str(n): t for n, t in value.items()}


@torch.no_grad()
def take_over(
    supernet: Supernet,
    state: Mapping[str, Tensor],
    origins: Mapping[str, Origin],
    source: str,
    *,
    unused: Collection[str] = (),
) -> None:
    """Copy a foreign state dict into a supernet, every tensor of both.

    Args:
        supernet: Takes the weights; untouched if anything is wrong.
        state: By foreign name; counters of batch norm are ignored.
        origins: For every name in the supernet's state dict, where it comes from.
        source: Name of the file, for errors.
        unused: Foreign names that may be there and that no subnet reads.

    Raises:
        CheckpointError: Tensors are missing, extra, of another shape or not finite; they are
            listed.
    """
    given = {n: t for n, t in state.items() if not n.endswith("num_batches_tracked")}
    wanted = {origin.name: origin.shape for origin in origins.values()}
    missing = [name for name in wanted if name not in given]
    extra = [name for name in given if name not in wanted and name not in unused]
    shapes = [
        f"{name} is {list(given[name].shape)}, needed is {list(shape)}"
        for name, shape in wanted.items()
        if name in given and tuple(given[name].shape) != shape
    ]
    infinite = [n for n in wanted if n in given and not torch.isfinite(given[n]).all()]
    found = {"missing": missing, "unknown": extra, "of another shape": shapes}
    found["with NaN or infinity"] = infinite
    problems = [f"{len(names)} {kind}: {_listed(names)}" for kind, names in found.items() if names]
    if problems:
        raise CheckpointError(
            f"{source} does not hold the weights of space {supernet.space.name!r}: "
            f"{'; '.join(problems)}. Check the format, and give the space the options "
            "that it was trained with, such as --option width=1.2 or --option classes=10."
        )
    for name, tensor in supernet.state_dict().items():
        origin = origins[name]
        tensor.copy_(given[origin.name][origin.region].reshape(tensor.shape))


def _listed(names: Sequence[Any]) -> str:
    more = len(names) - _LISTED
    text = ", ".join(str(name) for name in names[:_LISTED])
    return f"{text} and {more} more" if more > 0 else text
