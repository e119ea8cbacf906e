"""What spaces of cells share: states, operations between them, and nodes that sum two of them.

A cell (Zoph et al. 2018, arXiv:1707.07012, section 3) has two states to begin with: 0, made of
the output of the cell before the last one, and 1, of the last one. Every node is a state more.
It applies an operation to each of two earlier states and sums the results. All cells of a kind
make the same choices.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from search_spaces.blocks import (
    AvgPool,
    BlockSpec,
    Conv,
    FactorizedReduce,
    MaxPool,
    NodeSum,
    PreActConv,
    Select,
)
from search_spaces.builder import SpaceBuilder
from search_spaces.choices import Option

__all__ = ["Operand", "Operation", "Output", "State", "calibrate", "declare_node", "pool", "skip"]

Operation: TypeAlias = Callable[..., BlockSpec | None]
"""Called with ``(cin, cout, hw, stride=...)``; where it keeps its channels it may ignore cout."""


@dataclass(frozen=True, slots=True)
class State:
    """A state of a cell.

    Attributes:
        slot: That makes it.
        channels: Of it.
        hw: Height = width.
    """

    slot: str
    channels: int
    hw: int


@dataclass(frozen=True, slots=True)
class Output:
    """What a stem or a cell gives to the next cells.

    Attributes:
        slot: That makes it.
        hw: Height = width.
        channels: Called with one option for each of ``reads``.
        reads: Choices and folds that decide its channels.
    """

    slot: str
    hw: int
    channels: Callable[..., int]
    reads: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Operand:
    """The choices of one operand of a node.

    Attributes:
        source: Choice of the state that is read.
        operation: Choice of what is applied to it, a name.
        state: Position of the state for an option of ``source``.
    """

    source: str
    operation: str
    state: Callable[[Option], int]


def skip(cin: int, cout: int, hw: int, *, stride: int) -> BlockSpec | None:
    """Return the identity, which with a stride is a factorised reduction."""
    return None if stride == 1 else FactorizedReduce(cin, cout, hw)


def pool(family: type[AvgPool] | type[MaxPool], kernel: int) -> Operation:
    """Return the operation that pools."""

    def block(cin: int, cout: int, hw: int, *, stride: int) -> BlockSpec:
        return family(cin, hw, kernel=kernel, stride=stride)

    return block


def calibrate(builder: SpaceBuilder, name: str, output: Output, filters: int, hw: int) -> State:
    """Declare what makes a cell's first states of earlier outputs, and return the state.

    A 1x1 convolution, or a factorised reduction where the resolution was twice as high.
    """

    def block(*options: Option) -> BlockSpec:
        channels = output.channels(*options)
        if output.hw != hw:
            return FactorizedReduce(channels, filters, output.hw)
        return PreActConv(channels, filters, hw, kernel=1)

    slot = builder.slot(name, reads=output.reads, inputs=(output.slot,), block=block)
    return State(slot, filters, hw)


def declare_node(
    builder: SpaceBuilder,
    name: str,
    states: Sequence[State],
    *,
    operands: Sequence[Operand],
    operations: Mapping[str, Operation],
    result: tuple[int, int],
) -> State:
    """Declare the slots of a node and return its state.

    Args:
        builder: Of the space.
        name: Of the node.
        states: It can read.
        operands: Two.
        operations: By name.
        result: Its channels and its height = width; from states of another height an operation
            has a stride of 2.
    """
    made = [
        _declare_operand(builder, f"{name}.{letter}", states, operand, operations, result)
        for letter, operand in zip("ab", operands, strict=True)
    ]
    return State(builder.slot(name, inputs=made, block=partial(NodeSum, *result)), *result)


def _declare_operand(
    builder: SpaceBuilder,
    name: str,
    states: Sequence[State],
    operand: Operand,
    operations: Mapping[str, Operation],
    result: tuple[int, int],
) -> str:
    """Declare the selection of a state and the operation on it; return the last slot."""
    filters, hw = result
    channels, sides = tuple(s.channels for s in states), tuple(s.hw for s in states)

    def operation(source: Option, chosen: str) -> BlockSpec | None:
        state = states[operand.state(source)]
        stride = 1 if state.hw == hw else 2
        return operations[chosen](state.channels, filters, state.hw, stride=stride)

    def projection(source: Option, chosen: str) -> BlockSpec | None:
        block = operation(source, chosen)
        kept = block.out_shape[0] if block else states[operand.state(source)].channels
        return None if kept == filters else Conv(kept, filters, hw, act=None)

    selected = builder.slot(
        f"{name}.input",
        reads=(operand.source,),
        inputs=[state.slot for state in states],
        block=lambda source: Select(channels, sides, operand.state(source)),
    )
    reads = (operand.source, operand.operation)
    made = builder.slot(
        name,
        reads=reads,
        inputs=(selected,),
        block=operation,
        separate_weights=("kernel", "dilation"),
    )
    if set(channels) != {filters}:
        made = builder.slot(f"{name}.project", reads=reads, inputs=(made,), block=projection)
    return made
