"""Blocks placed in a network, without torch: what a runtime is asked to execute."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TypeAlias

from search_spaces import Architecture, SearchSpace
from search_spaces.blocks import (
    INPUT,
    Average,
    BlockSpec,
    Layer,
    Shape,
    inputs_read,
    layers_of,
    passed_on,
)

__all__ = [
    "Executed",
    "PlacedBlock",
    "alone",
    "executed",
    "is_timed",
    "network",
    "weight_megabytes",
]

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


def is_timed(block: BlockSpec) -> bool:
    """Return whether a block has a latency to be measured.

    One without layers has none, and that of an ensemble's mean over some logits counts as none,
    so that a table of a space prices its ensembles too.
    """
    return bool(layers_of(block)) and not isinstance(block, Average)


def executed(block: BlockSpec) -> Executed:
    """Return what a runtime executes for a block: equal for blocks that cost the same.

    Specs may differ in what matters in training only, by family, or in which of their inputs
    they read, and run the same layers.
    """
    layers, read = layers_of(block), inputs_read(layers_of(block))
    if len(read) == len(block.in_shapes):
        return block.in_shapes, layers
    place = {INPUT - position: INPUT - i for i, position in enumerate(read)}
    numbered = (
        dataclasses.replace(layer, inputs=tuple(place.get(i, i) for i in layer.inputs))
        for layer in layers
    )
    return tuple(block.in_shapes[position] for position in read), tuple(numbered)


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

    Slots that run nothing are left out; see `passed_on`.
    """
    blocks = space.blocks(architecture)
    position = {"input": INPUT}
    placed: list[PlacedBlock] = []
    for slot in space.slots:
        inputs = tuple(position[name] for name in slot.inputs) or (INPUT,)
        block = blocks[slot.name]
        passed = passed_on(block)
        position[slot.name] = len(placed) if passed is None else inputs[passed]
        if block is not None and passed is None:
            placed.append(PlacedBlock(block, inputs))
    return tuple(placed)
