"""NASNet's cells (Zoph, Vasudevan, Shlens, Le 2018, arXiv:1707.07012, section 3).

A cell has five nodes. Each sums two operations of thirteen, each on any of the states before;
a normal and a reduction cell are chosen. States that no node reads are concatenated as the
cell's output, inputs of the cell too. The published code of NASNet-A concatenates two states
more, and so does every cell here: state 0 in normal cells, state 3 in reduction cells.

Nodes are sums only: the paper also offers a concatenation, which no published cell has. The two
operands of a node can be exchanged, and then share an id. Nodes can be renumbered, too, where
neither reads the other; the channels of the output are then permuted, and the ids differ.

Strided operations are padded alike on all sides, not below and to the right as in TensorFlow:
counts are the same, weights trained there are not exact here. In a supernet the weights of an
operation are shared by all states that it can read.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable
from functools import partial

from search_spaces.arguments import require_positive, require_probability
from search_spaces.blocks import (
    Activation,
    AsymmetricConv,
    AvgPool,
    BlockSpec,
    Concat,
    Conv,
    FactorizedReduce,
    Head,
    MaxPool,
    PreActConv,
    SeparableConv,
    conv_hw,
)
from search_spaces.builder import SpaceBuilder
from search_spaces.cells import (
    Operand,
    Operation,
    Output,
    State,
    calibrate,
    declare_node,
    pool,
    skip,
)
from search_spaces.choices import Option
from search_spaces.errors import SpaceError
from search_spaces.registry import register_space
from search_spaces.space import SearchSpace

__all__ = ["OPERATIONS", "nasnet"]

OPERATIONS: dict[str, Operation] = {
    "skip_connect": skip,
    "conv_1x3_3x1": partial(AsymmetricConv, kernel=3),
    "conv_1x7_7x1": partial(AsymmetricConv, kernel=7),
    "dil_conv_3x3": partial(PreActConv, kernel=3, dilation=2),
    "avg_pool_3x3": pool(AvgPool, 3),
    "max_pool_3x3": pool(MaxPool, 3),
    "max_pool_5x5": pool(MaxPool, 5),
    "max_pool_7x7": pool(MaxPool, 7),
    "conv_1x1": partial(PreActConv, kernel=1),
    "conv_3x3": partial(PreActConv, kernel=3),
    "sep_conv_3x3": partial(SeparableConv, kernel=3),
    "sep_conv_5x5": partial(SeparableConv, kernel=5),
    "sep_conv_7x7": partial(SeparableConv, kernel=7),
}
NODES = range(2, 7)
NORMAL, REDUCTION = "normal", "reduction"
JOINED = {NORMAL: "06", REDUCTION: "36"}
"""States that are always concatenated: those of NASNet-A's code, and the last one."""
FILTER_UNIT, LEAST_FILTERS = 24, 192
"""``filters`` are 24 times those of the first cells, of which the first stem has a quarter."""


def _choices(builder: SpaceBuilder, kind: str) -> None:
    """Declare the choices of one kind of cell, and the fold of its unread states."""
    inputs = []
    for node in NODES:
        reads = []
        for letter in "ab":
            source = builder.choice(f"{kind}_{node}_{letter}_input", tuple(range(node)))
            operation = builder.choice(f"{kind}_{node}_{letter}_operation", tuple(OPERATIONS))
            inputs.append(source)
            reads += [source, operation]
        builder.isomorphism(reads=reads, form=_unordered)
    builder.fold(
        _joined(kind),
        reads=inputs,
        states=_subsets(JOINED[kind]),
        initial="0123456",
        step=partial(_read, JOINED[kind]),
    )


def _unordered(*options: Option) -> Hashable:
    """Return what exchanging the operands of a node leaves: two pairs of state and operation."""
    return tuple(sorted((options[:2], options[2:])))


def _joined(kind: str) -> str:
    return f"{kind}_joined"


def _subsets(always: str) -> tuple[str, ...]:
    """Return the states of a cell, as digits, that can be concatenated."""
    others = [digit for digit in "0123456" if digit not in always]
    chosen = (c for size in range(len(others) + 1) for c in itertools.combinations(others, size))
    return tuple("".join(sorted((*always, *digits))) for digits in chosen)


def _read(always: str, joined: Option, state: Option) -> str:
    """Return what is left to be concatenated once a node reads a state."""
    return str(joined) if str(state) in always else str(joined).replace(str(state), "")


def _cell(
    builder: SpaceBuilder,
    name: str,
    kind: str,
    sources: tuple[Output | None, Output],
    filters: int,
) -> Output:
    """Declare the slots of one cell and return its output.

    Args:
        builder: Of the space.
        name: Of the cell.
        kind: ``NORMAL`` or ``REDUCTION``.
        sources: The output of the cell before the last one, None for the last one as it is,
            and of the last one.
        filters: Channels of every node.
    """
    before, last = sources
    hw = last.hw if kind == NORMAL else conv_hw(last.hw, 2)
    if before is None:
        states = [State(last.slot, last.channels(), last.hw)]
    else:
        states = [calibrate(builder, f"{name}.state0", before, filters, last.hw)]
    states.append(calibrate(builder, f"{name}.state1", last, filters, last.hw))
    for node in NODES:
        choices = [f"{kind}_{node}_{letter}" for letter in "ab"]
        operands = [Operand(f"{c}_input", f"{c}_operation", int) for c in choices]
        states.append(
            declare_node(
                builder,
                f"{name}.node{node}",
                states,
                operands=operands,
                operations=OPERATIONS,
                result=(filters, hw),
            )
        )
    inputs = [state.slot for state in states]
    if kind == REDUCTION:
        inputs[:2] = [_reduced(builder, name, position, states, filters) for position in (0, 1)]
    output = builder.slot(
        f"{name}.concat",
        reads=(_joined(kind),),
        inputs=inputs,
        block=lambda joined: Concat(filters, hw, tuple(int(digit) for digit in joined)),
    )
    return Output(output, hw, lambda joined: filters * len(joined), (_joined(kind),))


def _reduced(
    builder: SpaceBuilder, name: str, position: int, states: list[State], filters: int
) -> str:
    """Declare what gives an unread input of a reduction cell the size of its nodes."""
    state = states[position]

    def block(joined: str) -> BlockSpec | None:
        unread = str(position) in joined
        return FactorizedReduce(state.channels, filters, state.hw) if unread else None

    reads = (_joined(REDUCTION),)
    return builder.slot(f"{name}.reduce{position}", reads=reads, inputs=(state.slot,), block=block)


@register_space("nasnet")
def nasnet(
    classes: int = 1000,
    resolution: int = 224,
    filters: int = 1056,
    cells: int = 4,
    stem: int = 32,
    skip_reduction_input: bool = False,
    dropout: float = 0.5,
) -> SearchSpace:
    """NASNet's cells on ImageNet (Zoph et al. 2018); NASNet-A is published as cells @ filters.

    Args:
        classes: Outputs.
        resolution: Input height = width.
        filters: Of NASNet-A's last cell, 24 times those of a node in the first stage.
        cells: Normal cells in each of the three stages.
        stem: Channels of the first convolution, which is not padded.
        skip_reduction_input: Whether the cell after a reduction also reads what the reduction
            cell reads as state 0, as in NASNet-A large, and not the last normal cell.
        dropout: Before the classifier.
    """
    require_positive(
        classes=classes, resolution=resolution, filters=filters, cells=cells, stem=stem
    )
    require_probability(dropout=dropout)
    if filters < LEAST_FILTERS:
        raise SpaceError(f"filters must be at least {LEAST_FILTERS}, got {filters}.")
    builder = SpaceBuilder("nasnet")
    _choices(builder, NORMAL)
    _choices(builder, REDUCTION)
    first = Conv(3, stem, resolution, kernel=3, stride=2, act=None, padded=False)
    builder.slot("stem", block=lambda: first)
    image = Output("stem", first.out_shape[-1], lambda: stem)
    width = filters // FILTER_UNIT
    half = _cell(builder, "stem_cell1", REDUCTION, (None, image), width // 4)
    outputs = [half, _cell(builder, "stem_cell2", REDUCTION, (image, half), width // 2)]
    for stage in (1, 2, 3):
        if stage > 1:
            width *= 2
            sources = (outputs[-2], outputs[-1])
            outputs.append(_cell(builder, f"reduction{stage - 1}", REDUCTION, sources, width))
        for cell in range(cells):
            passed_over = skip_reduction_input and stage > 1 and cell == 0
            sources = (outputs[-3 if passed_over else -2], outputs[-1])
            outputs.append(_cell(builder, f"stage{stage}.{cell}", NORMAL, sources, width))
    last = outputs[-1]
    builder.slot("act", reads=last.reads, block=lambda j: Activation(last.channels(j), last.hw))
    builder.slot(
        "head",
        reads=last.reads,
        block=lambda j: Head(last.channels(j), classes, last.hw, dropout=dropout),
    )
    return builder.build()
