"""Supernet: all architectures of a space in one set of shared weights.

The architecture is an argument of every call; no module remembers one. What a network
computes at an architecture equals what the extracted plain `Subnet` computes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache

from torch import Tensor, nn

from search_spaces.architecture import Architecture
from search_spaces.blocks import BlockSpec, layers_of
from search_spaces.errors import SpaceError
from search_spaces.modules.block import ElasticBlock, build_block, build_elastic
from search_spaces.modules.channels import Orders, importance_order
from search_spaces.modules.elastic import Region, hull
from search_spaces.modules.initialise import generator_for
from search_spaces.modules.network import Subnet, Wiring, module_names, wire
from search_spaces.slots import Slot
from search_spaces.space import SearchSpace

__all__ = ["Supernet", "build_network"]


@lru_cache(maxsize=256)
def _plan(
    space: SearchSpace, architecture: Architecture
) -> tuple[dict[str, BlockSpec], Wiring, tuple[int, ...]]:
    """Return the blocks that have layers, their wiring, and the input shape (C, H, W)."""
    blocks = space.blocks(architecture)
    wiring = wire(space.slots, blocks)
    present = {slot: block for slot, block in blocks.items() if block and layers_of(block)}
    first = next(iter(present.values()), None)
    shape = first.in_shape if first else space.input_shape_of(architecture)
    return present, wiring, shape


def _sharing(slots: Sequence[Slot]) -> dict[str, list[Slot]]:
    """Return the slots by the name of their weights, in order of first occurrence."""
    groups: dict[str, list[Slot]] = {}
    for slot in slots:
        groups.setdefault(slot.weights_name, []).append(slot)
    return groups


class Supernet(nn.Module):
    """One elastic module for each slot of a space whose blocks have layers.

    Slots that name the same `Slot.weights` share one module.

    Args:
        space: The search space.
        seed: Of the initial weights. Every slot draws from a stream of its own.

    Raises:
        SpaceError: A slot cannot be built in torch.
    """

    def __init__(self, space: SearchSpace, *, seed: int = 0) -> None:
        super().__init__()
        self.space = space
        self.blocks = nn.ModuleDict()
        owners = module_names(dict.fromkeys(slot.weights_name for slot in space.slots))
        self._names = {slot.name: owners[slot.weights_name] for slot in space.slots}
        for owner, sharing in _sharing(space.slots).items():
            found = dict.fromkeys(b for slot in sharing for b in space.slot_blocks(slot.name))
            if blocks := [block for block in found if layers_of(block)]:
                self.blocks[owners[owner]] = build_elastic(
                    blocks,
                    sharing[0].separate_weights,
                    generator=generator_for(seed, owner),
                )

    def _block(self, slot: str) -> ElasticBlock:
        block = self.blocks[self._names[slot]]
        assert isinstance(block, ElasticBlock)
        return block

    def forward(self, x: Tensor, architecture: Architecture) -> Tensor:
        """Run the network of one architecture.

        Args:
            x: Images [n, channels, resolution, resolution], at the architecture's resolution.
            architecture: One option for each choice.

        Returns:
            The last slot's output: logits [n, classes].

        Raises:
            SpaceError: The images have another shape, or the architecture is not of the space.
        """
        blocks, wiring, shape = _plan(self.space, architecture)
        if x.dim() != 4 or tuple(x.shape[1:]) != shape:
            raise SpaceError(
                f"This architecture of {self.space.name!r} takes images of shape (C, H, W) = "
                f"{shape}, resolution {shape[-1]}; got a batch of shape {tuple(x.shape)}. "
                "Resize the images, or choose another resolution."
            )

        def run(slot: str, inputs: list[Tensor]) -> Tensor:
            output: Tensor = self.blocks[self._names[slot]](*inputs, blocks[slot])
            return output

        return wiring.run(x, run)

    def subnet(self, architecture: Architecture) -> Subnet:
        """Return the plain network of one architecture with copies of its weights.

        Kernel transforms are applied, running statistics sliced; the mode (training or
        evaluation) is that of the supernet. Nothing is shared with the supernet.

        Raises:
            SpaceError: The architecture is not of the space.
        """
        blocks, wiring, _ = _plan(self.space, architecture)
        modules = {slot: self._block(slot).static(block) for slot, block in blocks.items()}
        subnet = Subnet(modules, wiring)
        return subnet if self.training else subnet.eval()

    def active_parameters(self, architecture: Architecture) -> dict[str, Region]:
        """Return the exact region of every parameter that an architecture's forward uses.

        Where several slots use the same weights it is the smallest region that holds theirs.

        Returns:
            Parameter name to one slice for each dimension; an absent parameter is unused.

        Raises:
            SpaceError: The architecture is not of the space.
        """
        blocks, _, _ = _plan(self.space, architecture)
        return hull(
            {
                f"blocks.{self._names[slot]}.{name}": region
                for name, region in self._block(slot).active(block).items()
            }
            for slot, block in blocks.items()
        )

    def channel_orders(self, kept: Mapping[str, Collection[BlockSpec]]) -> Orders:
        """Return an order of the channels inside blocks that puts important ones in front.

        Applied with `modules.channels.reorder`, it changes no network whose blocks are all among
        those kept, to rounding; smaller ones then have the more important channels.

        Args:
            kept: By slot, the blocks that must compute what they did.
        """
        orders: Orders = {}
        tensors = self.state_dict()
        for sharing in _sharing(self.space.slots).values():
            blocks = {block for slot in sharing for block in kept.get(slot.name, ())}
            slot = sharing[0].name
            if not blocks or self._names[slot] not in self.blocks:
                continue
            prefix = f"blocks.{self._names[slot]}."
            for group in self._block(slot).channel_groups():
                axis = group.axes[group.reader]
                widths = {group.used(block) for block in blocks}
                order = importance_order(tensors[prefix + group.reader], axis, widths)
                for name, dimension in group.axes.items():
                    orders.setdefault(prefix + name, []).append((dimension, order))
        return orders


def build_network(space: SearchSpace, architecture: Architecture, *, seed: int = 0) -> Subnet:
    """Return the plain network of one architecture, freshly initialised.

    Class and state-dict names are those of `Supernet.subnet`.

    Args:
        space: The search space.
        architecture: One option for each choice.
        seed: Of the initial weights. Every slot draws from a stream of its own.

    Raises:
        SpaceError: The architecture is not of the space, or a block cannot be built.
    """
    blocks, wiring, _ = _plan(space, architecture)
    modules = {
        slot: build_block(block, generator=generator_for(seed, slot))
        for slot, block in blocks.items()
    }
    return Subnet(modules, wiring)
