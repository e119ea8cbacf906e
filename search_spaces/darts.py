"""DARTS's cells (Liu, Simonyan, Yang 2019, arXiv:1806.09055, sections 2 and 3).

A cell has four nodes. Each sums two operations of seven, on two different states before it;
the nodes are concatenated as the cell's output. A normal and a reduction cell are chosen, about
10^18 pairs. The zero operation belongs to the paper's relaxation only: no discrete cell has it.

Nodes can be renumbered where neither reads the other; the channels of the output are then
permuted, and the ids differ. In a supernet the weights of an operation are shared by all states
that it can read.
"""

from __future__ import annotations

import itertools
from functools import partial

from search_spaces.arguments import require_positive, require_probability
from search_spaces.blocks import (
    AvgPool,
    Concat,
    Conv,
    Head,
    MaxPool,
    PreActConv,
    SeparableConv,
    conv_hw,
)
from search_spaces.builder import SpaceBuilder
from search_spaces.cells import Operand, Operation, Output, calibrate, declare_node, pool, skip
from search_spaces.choices import Option
from search_spaces.errors import SpaceError
from search_spaces.registry import register_space
from search_spaces.space import SearchSpace

__all__ = ["OPERATIONS", "darts"]

OPERATIONS: dict[str, Operation] = {
    "max_pool_3x3": pool(MaxPool, 3),
    "avg_pool_3x3": pool(AvgPool, 3),
    "skip_connect": skip,
    "sep_conv_3x3": partial(SeparableConv, kernel=3),
    "sep_conv_5x5": partial(SeparableConv, kernel=5),
    "dil_conv_3x3": partial(SeparableConv, kernel=3, dilation=2, repeats=1),
    "dil_conv_5x5": partial(SeparableConv, kernel=5, dilation=2, repeats=1),
}
NODES = range(2, 6)
NORMAL, REDUCTION = "normal", "reduction"
LEAST_WIDTH = 2
"""Factorised reductions and the stem for ImageNet halve it."""
STEM_MULTIPLIER = 3
"""Channels of the stem for CIFAR-10, in widths."""


def _choices(builder: SpaceBuilder, kind: str) -> None:
    """Declare the choices of one kind of cell: of every node its two states, and what is done."""
    for node in NODES:
        pairs = itertools.combinations(range(node), 2)
        builder.choice(f"{kind}_{node}_inputs", [f"{a},{b}" for a, b in pairs])
        for letter in "ab":
            builder.choice(f"{kind}_{node}_{letter}_operation", tuple(OPERATIONS))


def _operands(kind: str, node: int) -> list[Operand]:
    """Return the operands of a node: the first and the second of its two states."""
    inputs = f"{kind}_{node}_inputs"
    return [
        Operand(inputs, f"{kind}_{node}_{letter}_operation", partial(_member, position))
        for position, letter in enumerate("ab")
    ]


def _member(position: int, pair: Option) -> int:
    """Return the state at a position of a pair."""
    return int(str(pair).split(",")[position])


def _cell(
    builder: SpaceBuilder, name: str, kind: str, sources: tuple[Output, Output], width: int
) -> Output:
    """Declare the slots of one cell, whose nodes have ``width`` channels; return its output."""
    last_hw = sources[1].hw
    hw = last_hw if kind == NORMAL else conv_hw(last_hw, 2)
    states = [
        calibrate(builder, f"{name}.state{position}", source, width, last_hw)
        for position, source in enumerate(sources)
    ]
    for node in NODES:
        states.append(
            declare_node(
                builder,
                f"{name}.node{node}",
                states,
                operands=_operands(kind, node),
                operations=OPERATIONS,
                result=(width, hw),
            )
        )
    nodes = states[2:]
    joined = Concat(width, hw, tuple(range(len(nodes))))
    output = builder.slot(
        f"{name}.concat", inputs=[node.slot for node in nodes], block=lambda: joined
    )
    return Output(output, hw, lambda: width * len(nodes))


def _stem(
    builder: SpaceBuilder, resolution: int, width: int, imagenet: bool
) -> tuple[Output, Output]:
    """Declare the stem and return the outputs that the first cell reads."""
    if not imagenet:
        cout = STEM_MULTIPLIER * width
        builder.slot("stem", block=lambda: Conv(3, cout, resolution, kernel=3, act=None))
        return (Output("stem", resolution, lambda: cout),) * 2
    half, quarter = conv_hw(resolution, 2), conv_hw(conv_hw(resolution, 2), 2)
    builder.slot("stem0", block=lambda: Conv(3, width // 2, resolution, kernel=3, stride=2))
    builder.slot(
        "stem1", block=lambda: Conv(width // 2, width, half, kernel=3, stride=2, act=None)
    )
    builder.slot("stem2", block=lambda: PreActConv(width, width, quarter, kernel=3, stride=2))
    return (
        Output("stem1", quarter, lambda: width),
        Output("stem2", conv_hw(quarter, 2), lambda: width),
    )


@register_space("darts")
def darts(
    classes: int = 10,
    resolution: int = 32,
    width: int = 36,
    cells: int = 20,
    imagenet: bool = False,
    dropout: float = 0.0,
) -> SearchSpace:
    """DARTS's cells on CIFAR-10 or ImageNet (Liu, Simonyan, Yang 2019).

    Args:
        classes: Outputs.
        resolution: Input height = width.
        width: Channels of a node in the first third of the network.
        cells: In the network; those after a third and after two thirds are reduction cells.
        imagenet: Whether the stem reduces the resolution eight times, not at all otherwise.
        dropout: Before the classifier.
    """
    require_positive(classes=classes, resolution=resolution, width=width, cells=cells)
    require_probability(dropout=dropout)
    if width < LEAST_WIDTH:
        raise SpaceError(f"width must be at least {LEAST_WIDTH}, got {width}.")
    builder = SpaceBuilder("darts")
    _choices(builder, NORMAL)
    _choices(builder, REDUCTION)
    before, last = _stem(builder, resolution, width, imagenet)
    for cell in range(cells):
        reduces = cell in (cells // 3, 2 * cells // 3)
        width *= 2 if reduces else 1
        kind = REDUCTION if reduces else NORMAL
        before, last = last, _cell(builder, f"cell{cell}", kind, (before, last), width)
    channels = last.channels()
    builder.slot("head", block=lambda: Head(channels, classes, last.hw, dropout=dropout))
    return builder.build()
