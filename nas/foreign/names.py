"""Names of the once-for-all family: blocks numbered through all stages, layers by their role."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from nas.errors import CheckpointError
from nas.foreign.state import Origin, State
from search_spaces.supernet import Supernet

__all__ = ["MBCONV", "Spelling", "block_numbers", "unwrapped"]

MBCONV: Mapping[str, str] = {
    "expand": "conv.inverted_bottleneck",
    "depthwise": "conv.depth_conv",
    "se": "conv.depth_conv.se.fc",
    "project": "conv.point_linear",
}
"""Parts of an inverted residual."""

_TRANSFORM = re.compile(r"transform_(\d+)_(\d+)")


def unwrapped(state: State) -> State:
    """Return a state dict with the names of all known spellings made one.

    Elastic layers wrap torch's (``conv.conv.weight``, ``bn.bn.bias``), others do not; a block's
    layers are under ``mobile_inverted_conv`` in published files, under ``conv`` in later code.

    Raises:
        CheckpointError: Two tensors get the same name.
    """
    renamed: State = {}
    for name, tensor in state.items():
        new = name.replace(".mobile_inverted_conv.", ".conv.")
        for layer in ("conv", "bn", "linear"):
            new = new.replace(f".{layer}.{layer}.", f".{layer}.")
        if new in renamed:
            raise CheckpointError(
                f"The checkpoint holds {name!r} twice, in two spellings. Keep one of them."
            )
        renamed[new] = tensor
    return renamed


def block_numbers(supernet: Supernet) -> dict[str, int]:
    """Return the foreign number of every block of a supernet: the slots of stages, in order.

    A slot ``first`` before the stages is block 0.
    """
    slots = (slot.name for slot in supernet.space.slots)
    blocks = (name for name in slots if name == "first" or name.startswith("stage"))
    return {name.replace(".", "_"): number for number, name in enumerate(blocks)}


@dataclass(frozen=True, slots=True)
class Spelling:
    """How a publisher spells what we call something else, after `unwrapped`.

    Attributes:
        layers: Their layer for each of ours outside the blocks.
        parts: Their layer for each of ours inside a block.
    """

    layers: Mapping[str, str]
    parts: Mapping[str, str]

    def origins(self, supernet: Supernet) -> dict[str, Origin]:
        """Return for every tensor of a supernet its name and shape.

        Kernel transforms are matrices [k*k, k*k], which we keep as [k, k, k, k]; the hidden
        layer of a head is a 1x1 convolution there and linear here.
        """
        numbers = block_numbers(supernet)
        found = {}
        for name, tensor in supernet.state_dict().items():
            ours, shape = name.removeprefix("blocks."), tuple(tensor.shape)
            theirs = self._theirs(ours, numbers)
            if transform := _TRANSFORM.search(theirs):
                larger, k = transform.groups()
                theirs, shape = _TRANSFORM.sub(f"{larger}to{k}_matrix", theirs), (int(k) ** 2,) * 2
            elif ours.startswith("head.hidden."):
                shape = (*shape, 1, 1)
            found[name] = Origin(theirs, shape)
        return found

    def _theirs(self, ours: str, numbers: Mapping[str, int]) -> str:
        for layer, theirs in self.layers.items():
            if ours.startswith(f"{layer}."):
                return f"{theirs}.{ours.removeprefix(f'{layer}.')}"
        block, part, rest = ours.split(".", 2)
        return f"blocks.{numbers[block]}.{self.parts[part]}.{rest}"
