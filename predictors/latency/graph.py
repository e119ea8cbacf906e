"""Blocks placed in a network, without torch: what a runtime is asked to execute."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from search_spaces import Architecture, SearchSpace
from search_spaces.blocks import INPUT, BlockSpec, Layer, Shape, layers_of

__all__ = ["Executed", "PlacedBlock", "alone", "executed", "network", "weight_megabytes"]

Executed: TypeAlias = tuple[tuple[Shape, ...], tuple[Layer, ...]]

_BYTES_PER_WEIGHT = 4


@dataclass(frozen=True, slots=True)
class PlacedBlock:
    """A block and what it reads.

    Attributes:
        block: The block.
        inputs: For each of its inputs the position of an earlier block; `INPUT` is the
            network's input, and ``INPUT - i`` input i of a network that has several.
    """

    block: BlockSpec
    inputs: tuple[int, ...]


def executed(block: BlockSpec) -> Executed:
    """Return what a runtime executes for a block: equal for blocks that cost the same.

    Specs may differ in what matters in training only, or by family, and run the same layers.
    """
    return block.in_shapes, layers_of(block)


def weight_megabytes(block: BlockSpec) -> float:
    """Return the float32 weights of a block's convolutions and linear layers, in 10^6 bytes."""
    params = sum(layer.params for layer in layers_of(block) if layer.op in ("conv2d", "linear"))
    return params * _BYTES_PER_WEIGHT / 1e6


def alone(block: BlockSpec) -> tuple[PlacedBlock, ...]:
    """Return the network that consists of one block."""
    inputs = tuple(INPUT - i for i in range(len(block.in_shapes)))
    return (PlacedBlock(block, inputs),)


def network(space: SearchSpace, architecture: Architecture) -> tuple[PlacedBlock, ...]:
    """Return the blocks of an architecture in running order.

    Skipped slots and blocks without layers pass their first input on.
    """
    blocks = space.blocks(architecture)
    position = {"input": INPUT}
    placed: list[PlacedBlock] = []
    for slot in space.slots:
        inputs = tuple(position[name] for name in slot.inputs) or (INPUT,)
        block = blocks[slot.name]
        if block is None or not layers_of(block):
            position[slot.name] = inputs[0]
            continue
        position[slot.name] = len(placed)
        placed.append(PlacedBlock(block, inputs))
    return tuple(placed)
