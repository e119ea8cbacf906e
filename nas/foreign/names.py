"""Names of the once-for-all family: blocks numbered through all stages, layers by their role."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nas.errors import CheckpointError
from nas.foreign.state import State
from search_spaces.supernet import Supernet

__all__ = ["Spelling", "block_numbers", "unwrapped"]


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

    def of(self, name: str, numbers: Mapping[str, int]) -> str:
        """Return their name of a tensor of a supernet.

        Args:
            name: In the supernet's state dict.
            numbers: From `block_numbers`.
        """
        name = name.removeprefix("blocks.")
        for ours, theirs in self.layers.items():
            if name.startswith(f"{ours}."):
                return f"{theirs}.{name.removeprefix(f'{ours}.')}"
        block, part, rest = name.split(".", 2)
        return f"blocks.{numbers[block]}.{self.parts[part]}.{rest}"
