"""GOLD-NAS's cells, any operation of any edge may stay (Bi et al. 2020, arXiv:2007.03331).

A cell has four nodes, each of which sums what comes from the two states in front of the cell and
from the nodes before it; they are concatenated as its output. On each of the fourteen edges are a
skip and a separable convolution, each of which is there or not: two choices an edge, of every
cell its own.

In the paper the edges of a reduction cell have a stride. Here its two states are halved where they
are made, so that an operation that is not there leaves zeros of the right size.
"""

from __future__ import annotations

from functools import partial

from search_spaces.arguments import require_positive, require_probability
from search_spaces.blocks import (
    BlockSpec,
    Concat,
    Conv,
    Head,
    NodeSum,
    SeparableConv,
    Zero,
    conv_hw,
)
from search_spaces.builder import SpaceBuilder
from search_spaces.cells import Output, calibrate
from search_spaces.errors import SpaceError
from search_spaces.registry import register_space
from search_spaces.space import SearchSpace

__all__ = ["gold_nas"]

LEAST_CELLS = 5
"""With fewer the two reduction cells are neighbours."""


def _operation(operation: str, width: int, hw: int, present: str) -> BlockSpec | None:
    """Return the block of an operation; a skip that is there has none."""
    if present == "no":
        return Zero(width, hw)
    return None if operation == "skip" else SeparableConv(width, width, hw, kernel=3)


def _cell(
    builder: SpaceBuilder,
    name: str,
    sources: tuple[Output, Output],
    *,
    nodes: int,
    width: int,
    hw: int,
) -> Output:
    """Declare choices and slots of one cell and return its output."""
    states = [
        calibrate(builder, f"{name}.state{position}", source, width, hw).slot
        for position, source in enumerate(sources)
    ]
    for node in range(2, 2 + nodes):
        arriving = []
        for start, state in enumerate(states):
            for operation in ("skip", "conv"):
                edge = f"{name}_{start}_{node}_{operation}"
                present = builder.choice(edge, ("no", "yes"))
                block = partial(_operation, operation, width, hw)
                slot = f"{name}.{start}_{node}.{operation}"
                arriving.append(builder.slot(slot, reads=(present,), inputs=(state,), block=block))
        total = partial(NodeSum, width, hw, inputs=len(arriving))
        states.append(builder.slot(f"{name}.node{node}", inputs=arriving, block=total))
    joined = partial(Concat, width, hw, tuple(range(nodes)))
    output = builder.slot(f"{name}.concat", inputs=states[2:], block=joined)
    return Output(output, hw, lambda: width * nodes)


@register_space("gold_nas")
def gold_nas(
    classes: int = 10,
    resolution: int = 32,
    channels: int = 3,
    width: int = 36,
    cells: int = 14,
    nodes: int = 4,
    dropout: float = 0.0,
) -> SearchSpace:
    """GOLD-NAS's super-network (Bi et al. 2020).

    Args:
        classes: Outputs.
        resolution: Input height = width.
        channels: Of the image.
        width: Channels of a node in the first third of the network, even.
        cells: In the network; those after a third and after two thirds are reduction cells.
        nodes: Of a cell.
        dropout: Before the classifier.
    """
    require_positive(classes=classes, resolution=resolution, channels=channels)
    require_positive(width=width, nodes=nodes)
    require_probability(dropout=dropout)
    if cells < LEAST_CELLS or width % 2:
        raise SpaceError(
            f"cells must be at least {LEAST_CELLS} and width even, got {cells} and {width}."
        )
    builder = SpaceBuilder("gold_nas")
    stem = Conv(channels, 3 * width, resolution, kernel=3, act=None)
    builder.slot("stem", block=lambda: stem)
    before = last = Output("stem", resolution, lambda: stem.cout)
    hw = resolution
    for cell in range(cells):
        if cell in (cells // 3, 2 * cells // 3):
            width, hw = 2 * width, conv_hw(hw, 2)
        sources = (before, last)
        made = _cell(builder, f"cell{cell}", sources, nodes=nodes, width=width, hw=hw)
        before, last = last, made
    features = width * nodes
    builder.slot("head", block=lambda: Head(features, classes, hw, dropout=dropout))
    return builder.build()
