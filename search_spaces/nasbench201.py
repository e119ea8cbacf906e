"""NAS-Bench-201's cells (Dong and Yang 2020, ICLR, arXiv:2001.00326, section 2).

Four nodes, an operation of five on each of the six edges between them, 5^6 = 15,625 cells;
fifteen equal cells in three stages make the network. A node is the sum of its edges.

Two cells with the same operations on other edges can be the same graph, and then share an id:
9,240 of the 15,625 differ. The benchmark's own count of 6,466 "unique" cells joins cells by a
text in which operations that nothing reads are left out, though it counts their parameters,
and in which two convolutions of one input are not told from one that is read twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from functools import partial

from search_spaces.arguments import require_positive
from search_spaces.blocks import (
    AvgPool,
    BlockSpec,
    Conv,
    Head,
    NodeSum,
    NormAct,
    PreActConv,
    PreActResidual,
    Zero,
    conv_hw,
)
from search_spaces.builder import SpaceBuilder
from search_spaces.registry import register_space
from search_spaces.space import SearchSpace

__all__ = ["EDGES", "OPERATIONS", "cell_form", "nasbench201"]

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""From node to node, in the order of the published text of a cell."""


def cell_form(*operations: str) -> Hashable:
    """Return what isomorphic cells have in common, for one operation on each of `EDGES`.

    Skips are contracted, sums flattened, and what is none is left out of them. Each operation
    left is told by what it computes and by who reads it, two rounds of colour refinement
    (Weisfeiler and Leman 1968) that are complete for graphs this small. All six operations
    are part of the form, so that cells of one form cost the same.
    """
    source = -1
    nodes: dict[int, list[int]] = {0: [source], 1: [], 2: [], 3: []}
    made: list[tuple[str, list[int]]] = []
    for (start, end), operation in zip(EDGES, operations, strict=True):
        if operation == "skip_connect":
            nodes[end] += nodes[start]
        elif operation != "none":
            nodes[end].append(len(made))
            made.append((operation, nodes[start]))
    above: dict[int, Hashable] = {source: "input"}
    for position, (operation, reads) in enumerate(made):
        above[position] = (operation, _bag(above[read] for read in reads))
    below: dict[int, Hashable] = {}
    for position in reversed(range(len(made))):
        readers = [
            reader for reader, (_, reads) in enumerate(made) for r in reads if r == position
        ]
        uses = _bag((above[reader], below[reader]) for reader in readers)
        below[position] = (uses, nodes[3].count(position))
    operations_left = _bag((above[position], below[position]) for position in below)
    return _bag(operations), nodes[3].count(source), operations_left


def _bag(items: Iterable[Hashable]) -> Hashable:
    """Return a multiset."""
    return frozenset(Counter(items).items())


def _operation(width: int, hw: int, operation: str) -> BlockSpec | None:
    """Return the block of an edge; a skip has none."""
    if operation == "none":
        return Zero(width, hw)
    if operation == "avg_pool_3x3":
        return AvgPool(width, hw)
    if operation == "skip_connect":
        return None
    return PreActConv(width, width, hw, kernel=1 if operation == "nor_conv_1x1" else 3)


def _cell(builder: SpaceBuilder, name: str, source: str, width: int, hw: int) -> str:
    """Declare the slots of one cell and return the name of its output."""
    nodes, arriving = [source], []
    for start, end in EDGES:
        arriving.append(
            builder.slot(
                f"{name}.edge{start}{end}",
                reads=(f"edge_{start}_{end}",),
                inputs=(nodes[start],),
                block=partial(_operation, width, hw),
                separate_weights=("kernel",),
            )
        )
        if len(arriving) == end:
            total = partial(NodeSum, width, hw, inputs=end)
            node = arriving[0]
            if end > 1:
                node = builder.slot(f"{name}.node{end}", inputs=arriving, block=total)
            nodes.append(node)
            arriving = []
    return nodes[-1]


@register_space("nasbench201")
def nasbench201(
    classes: int = 10, resolution: int = 32, channels: int = 3, width: int = 16, cells: int = 5
) -> SearchSpace:
    """NAS-Bench-201's 15,625 cells (Dong and Yang 2020).

    Args:
        classes: Outputs.
        resolution: Input height = width.
        channels: Of the image.
        width: Channels of the first stage; each of the others doubles them.
        cells: In each of the three stages.
    """
    require_positive(
        classes=classes, resolution=resolution, channels=channels, width=width, cells=cells
    )
    builder = SpaceBuilder("nasbench201")
    edges = [builder.choice(f"edge_{start}_{end}", OPERATIONS) for start, end in EDGES]
    builder.isomorphism(reads=edges, form=cell_form)
    hw = resolution
    last = builder.slot("stem", block=partial(Conv, channels, width, hw, kernel=3, act=None))
    for stage in (1, 2, 3):
        if stage > 1:
            reduction = partial(PreActResidual, width, 2 * width, hw)
            last = builder.slot(f"reduction{stage - 1}", inputs=(last,), block=reduction)
            width, hw = 2 * width, conv_hw(hw, 2)
        for cell in range(cells):
            last = _cell(builder, f"stage{stage}.{cell}", last, width, hw)
    builder.slot("norm", inputs=(last,), block=partial(NormAct, width, hw))
    builder.slot("head", block=partial(Head, width, classes, hw))
    return builder.build()
