"""Analytic costs: peak memory by hand; counts are tested with the blocks and spaces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictors import CostModel, Macs, Params, PeakMemory, compile_cost
from search_spaces import get_space
from search_spaces.blocks import (
    INPUT,
    BlockSpec,
    Concat,
    Conv,
    Head,
    Layer,
    MBConv,
    Select,
    Shape,
    ShuffleV2,
    ShuffleXception,
    Tape,
)
from search_spaces.blocks.spec import block_family


@block_family
class Sum(BlockSpec):
    """Convolves its second input and adds the first: both are held meanwhile."""

    @property
    def in_shape(self) -> Shape:
        return (4, 8, 8)

    @property
    def in_shapes(self) -> tuple[Shape, ...]:
        return (self.in_shape, (2, 8, 8))

    def layers(self) -> list[Layer]:
        tape = Tape(*self.in_shapes)
        tape.add(tape.conv(INPUT - 1, 4), INPUT)
        return tape.layers


@block_family
class InPlace(BlockSpec):
    @property
    def in_shape(self) -> Shape:
        return (4, 8, 8)

    def layers(self) -> list[Layer]:
        tape = Tape(self.in_shape)
        tape.act(INPUT, "relu")
        return tape.layers


@block_family
class PreActivation(BlockSpec):
    """Batch norm and activation of the input, a convolution, and the untouched input added."""

    @property
    def in_shape(self) -> Shape:
        return (4, 8, 8)

    def layers(self) -> list[Layer]:
        tape = Tape(self.in_shape)
        x = tape.act(tape.batch_norm(INPUT), "relu")
        tape.add(tape.conv(x, 4, kernel=3), INPUT)
        return tape.layers


@pytest.mark.parametrize(
    ("block", "elements"),
    [
        # input + output; batch norm and activation work in place
        (Conv(3, 8, 10, kernel=3), 3 * 100 + 8 * 100),
        (Conv(3, 8, 10, kernel=3, stride=2), 3 * 100 + 8 * 25),
        # the depthwise layer holds its input and output; the block's input is free by then
        (MBConv(4, 4, 16, 8), 16 * 64 + 16 * 64),
        # with a shortcut the block's input is held as well
        (MBConv(4, 4, 16, 8, shortcut=True), 4 * 64 + 16 * 64 + 16 * 64),
        # stride 2: input + expansion 4 + 16, or expansion + output 16 + 4 at a quarter
        (MBConv(4, 4, 16, 8, stride=2), 16 * 64 + 16 * 16),
        (MBConv(12, 4, 16, 8, stride=2), 12 * 64 + 16 * 64),
        # squeeze and excitation pools to (16, 1, 1) and multiplies in place
        (MBConv(4, 4, 16, 8, se=4), 16 * 64 + 16 * 64),
        (MBConv(4, 32, 4, 2, se=2, expand_conv=False), 4 * 4 + 32 * 4),
        # both halves are views of the input, which lives until the concatenation
        (ShuffleV2(8, 8, 4, 6), 8 * 36 + 4 * 36 + 8 * 36),
        # the side branch (8 at 3 px) is held while the main branch works on the input
        (ShuffleV2(8, 24, 12, 6, stride=2), 8 * 36 + 8 * 9 + 12 * 36),
        (Head(16, 10, 4), 16 * 16 + 16),
        (Head(2, 50, 1, hidden=40), 40 + 50),
        (Sum(), 4 * 64 + 2 * 64 + 4 * 64),
        (InPlace(), 4 * 64),
        # inputs that are not read are no part of what the block holds
        (Select((4, 2), (8, 4), 1), 2 * 16),
        (Concat(4, 8, (0, 2)), 2 * 4 * 64 + 8 * 64),
        # batch norm must not overwrite the shortcut: input, normalised input, output
        (PreActivation(), 3 * 4 * 64),
    ],
    ids=str,
)
def test_peak_memory_by_hand(block: BlockSpec, elements: int) -> None:
    assert PeakMemory(bytes_per_element=1)(block) == elements
    assert PeakMemory()(block) == 4 * elements


def test_xception_frees_each_pair_before_the_next() -> None:
    block = ShuffleXception(8, 8, 10, 6)
    view_and_pair = 8 * 36 + 10 * 36 + 10 * 36
    concatenation = 8 * 36 + 4 * 36 + 8 * 36
    assert PeakMemory(bytes_per_element=1)(block) == max(view_and_pair, concatenation)


def test_peak_memory_of_a_network_is_that_of_its_worst_block() -> None:
    space = get_space("mobile_small")
    table = compile_cost(space, PeakMemory())
    architecture = table.maximum().architecture
    parts = table.breakdown(architecture)
    assert table.of(architecture) == max(parts.values())
    worst = space.blocks(architecture)[max(parts, key=parts.__getitem__)]
    assert PeakMemory()(worst) == table.maximum().value


@pytest.mark.parametrize(
    ("model", "metric", "reduce"),
    [
        (Macs(), "macs", "sum"),
        (Params(), "params", "sum"),
        (PeakMemory(), "peak_memory_bytes", "max"),
    ],
)
def test_metrics_name_their_unit(model: CostModel, metric: str, reduce: str) -> None:
    assert (model.metric, model.reduce, model.constant) == (metric, reduce, 0.0)
    assert model.provenance.kind == "analytic"


SIZES = st.integers(1, 32)


@given(st.builds(MBConv, SIZES, SIZES, SIZES, SIZES, se=st.integers(0, 8)))
def test_peak_holds_at_least_every_layer(block: MBConv) -> None:
    """No layer can run with less than its input and output, and nothing needs all at once."""
    peak = PeakMemory(bytes_per_element=1)(block)
    sizes = []
    for layer in block.layers():
        if layer.op == "conv2d":
            c, h, w = layer.in_shape
            d, i, j = layer.out_shape
            sizes.append(c * h * w + d * i * j)
    assert max(sizes) <= peak <= sum(sizes)
