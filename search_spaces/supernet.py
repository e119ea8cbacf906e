"""Supernet: all architectures of a space in one set of shared weights.

The architecture is an argument of every call; no module remembers one. What a network
computes at an architecture equals what the extracted plain `Subnet` computes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn

from search_spaces.architecture import Architecture
from search_spaces.blocks import BlockSpec, layers_of, passed_on
from search_spaces.errors import SpaceError
from search_spaces.mixture import MixedSlot, mixed_slots
from search_spaces.modules.block import ElasticBlock, build_block, build_elastic
from search_spaces.modules.channels import Orders, importance_order
from search_spaces.modules.elastic import Region, hull
from search_spaces.modules.initialise import generator_for
from search_spaces.modules.network import Subnet, Wiring, module_names, wire
from search_spaces.modules.regularise import Regularisation, at_depth, regularised
from search_spaces.slots import Slot
from search_spaces.space import SearchSpace

__all__ = ["Gate", "Regularisation", "Supernet", "build_network"]


@dataclass(frozen=True, eq=False, slots=True)
class Gate:
    """Options of one choice that run at once; see `Supernet.mixture`.

    Attributes:
        options: Their positions.
        weights: What the output of each is multiplied by, [options].
    """

    options: tuple[int, ...]
    weights: Tensor


def _block_weights(mixed: MixedSlot, gates: Mapping[str, Gate]) -> Tensor:
    """Return the weight of every block of a slot: of all combinations that give it."""
    product = gates[mixed.choices[0]].weights
    for name in mixed.choices[1:]:
        product = (product[:, None] * gates[name].weights).flatten()
    if mixed.block_of == tuple(range(len(mixed.blocks))):
        return product
    index = torch.tensor(mixed.block_of, device=product.device)
    return product.new_zeros(len(mixed.blocks)).index_add(0, index, product)


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
        self._regions: dict[tuple[str, BlockSpec], Mapping[str, Region]] = {}  # seen before
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

    def forward(
        self,
        x: Tensor,
        architecture: Architecture,
        regularisation: Regularisation | None = None,
        outputs: dict[str, Tensor] | None = None,
    ) -> Tensor:
        """Run the network of one architecture.

        Args:
            x: Images [n, channels, resolution, resolution], at the architecture's resolution.
            architecture: One option for each choice.
            regularisation: What is left out in training mode; by default what dropout does.
            outputs: Takes what every slot yields, by its name.

        Returns:
            The last slot's output: logits [n, classes].

        Raises:
            SpaceError: The images have another shape, or the architecture is not of the space.
        """
        return self.at(architecture, regularisation)(x, outputs)

    def at(
        self, architecture: Architecture, regularisation: Regularisation | None = None
    ) -> Callable[[Tensor, dict[str, Tensor] | None], Tensor]:
        """Return the forward of one architecture as a function of images and outputs alone.

        Whatever does not depend on them is looked up beforehand, so that `torch.compile` can
        trace the function; arguments and errors are those of `forward`.
        """
        blocks, wiring, shape = _plan(self.space, architecture)

        def network(x: Tensor, outputs: dict[str, Tensor] | None) -> Tensor:
            if x.dim() != 4 or tuple(x.shape[1:]) != shape:
                raise SpaceError(
                    f"This architecture of {self.space.name!r} takes images of shape (C, H, W) = "
                    f"{shape}, resolution {shape[-1]}; got a batch of shape {tuple(x.shape)}. "
                    "Resize the images, or choose another resolution."
                )

            def run(slot: str, inputs: list[Tensor]) -> Tensor:
                output: Tensor = self.blocks[self._names[slot]](*inputs, blocks[slot])
                if outputs is not None:
                    outputs[slot] = output
                return output

            return _run(wiring, x, run, regularisation)

        return network

    def mixture(
        self,
        x: Tensor,
        architecture: Architecture,
        gates: Mapping[str, Gate],
        regularisation: Regularisation | None = None,
        *,
        rectified: Mapping[str, Tensor] | None = None,
    ) -> Tensor:
        """Run several options of some choices at once, each times its gate.

        A block of a slot that reads several of them is weighed by the product of their gates.
        The gradient of a gate is the product of that of the sum with the option's output, also
        where the gate is zero; nothing else has a gradient from such an option.

        Args:
            x: Images at the architecture's resolution.
            architecture: The options of the other choices.
            gates: Of the mixed choices, by name.
            regularisation: As in `forward`.
            rectified: Of slots whose activation acts on some elements or tokens, how much of it
                each one takes, [C, H, W] or [tokens, 1]; see `modules.kept`.

        Raises:
            SpaceError: These choices cannot be mixed; see `mixed_slots`.
        """
        slots = self._mixed(architecture, gates)
        representative = {
            name: next((b for b in slot.blocks if passed_on(b) is None), slot.blocks[0])
            for name, slot in slots.items()
        }

        def run(slot: str, inputs: list[Tensor]) -> Tensor:
            if slots[slot].choices:
                return self._run_mixed(slot, inputs, slots[slot], gates)
            block = slots[slot].blocks[0]
            told = {"gate": rectified[slot]} if rectified and slot in rectified else {}
            output: Tensor = self.blocks[self._names[slot]](*inputs, block, **told)
            return output

        return _run(wire(self.space.slots, representative), x, run, regularisation)

    def _run_mixed(
        self, slot: str, inputs: list[Tensor], mixed: MixedSlot, gates: Mapping[str, Gate]
    ) -> Tensor:
        """Return the sum of a slot's blocks times their gates."""
        weights = _block_weights(mixed, gates)
        passed = [passed_on(block) for block in mixed.blocks]
        terms = [
            weights[i] * inputs[source] for i, source in enumerate(passed) if source is not None
        ]
        running = [i for i, source in enumerate(passed) if source is None]
        if running:
            specs = [mixed.blocks[i] for i in running]
            terms.append(self._block(slot).mixture(inputs, specs, weights[running]))
        total: Tensor = sum(terms[1:], start=terms[0])
        return total

    def active_in_mixture(
        self, architecture: Architecture, gates: Mapping[str, Gate]
    ) -> list[Mapping[str, Region]]:
        """Return the regions of the parameters of every block of a mixture."""
        return [
            self.active_in_slot(name, block)
            for name, slot in self._mixed(architecture, gates).items()
            for block in slot.blocks
            if block is not None
        ]

    def _mixed(
        self, architecture: Architecture, gates: Mapping[str, Gate]
    ) -> Mapping[str, MixedSlot]:
        options = {name: gate.options for name, gate in gates.items()}
        return mixed_slots(self.space, architecture, options)

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
        return hull(self.active_in_slot(slot, block) for slot, block in blocks.items())

    def active_in_slot(self, slot: str, block: BlockSpec) -> Mapping[str, Region]:
        """Return the exact region of every parameter that one block of a slot uses."""
        if (slot, block) not in self._regions:
            regions = self._block(slot).active(block) if layers_of(block) else {}
            prefix = f"blocks.{self._names[slot]}"
            self._regions[slot, block] = {f"{prefix}.{n}": r for n, r in regions.items()}
        return self._regions[slot, block]

    def slot_parameters(self, slot: str) -> list[nn.Parameter]:
        """Return the parameters of all blocks of a slot."""
        name = self._names[slot]
        return list(self.blocks[name].parameters()) if name in self.blocks else []

    @torch.no_grad()
    def zero_gammas(self) -> None:
        """Make every block with a shortcut begin as its shortcut.

        The scale of the batch norm in front of the addition becomes zero (Goyal et al. 2017,
        arXiv:1706.02677, section 5.1), where all blocks of a slot have a shortcut.
        """
        for slot in self.space.slots:
            if self._names[slot.name] in self.blocks:
                module = self._block(slot.name)
                blocks = self.space.slot_blocks(slot.name)
                for name in module.residual_scales([b for b in blocks if layers_of(b)]):
                    module.get_parameter(name).zero_()

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


def _run(
    wiring: Wiring,
    x: Tensor,
    run: Callable[[str, list[Tensor]], Tensor],
    regularisation: Regularisation | None,
) -> Tensor:
    """Run a network with what a regularisation leaves out; by default what dropout does."""
    if regularisation is None:
        return wiring.run(x, run)
    last = max(1, len(wiring.steps) - 1)
    depths = {step.slot: position / last for position, step in enumerate(wiring.steps)}

    def run_at_depth(slot: str, inputs: list[Tensor]) -> Tensor:
        with at_depth(depths[slot]):
            return run(slot, inputs)

    with regularised(regularisation):
        return wiring.run(x, run_at_depth)


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
