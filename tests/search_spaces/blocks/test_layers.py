"""Primitive layers: shapes, multiply-accumulates and parameters by hand."""

from __future__ import annotations

import pytest

from search_spaces import SpaceError
from search_spaces.blocks import INPUT, Tape, conv_hw, inputs_read


@pytest.mark.parametrize("hw", [1, 2, 7, 8, 224, 225])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
def test_conv_hw_is_the_rule_of_convolution(hw: int, stride: int, kernel: int) -> None:
    assert conv_hw(hw, stride) == (hw + 2 * (kernel // 2) - kernel) // stride + 1


def test_counts_of_a_convolution() -> None:
    tape = Tape((3, 9, 7))
    tape.conv(INPUT, 8, kernel=3, stride=2, bias=True)
    layer = tape.layers[0]
    assert layer.out_shape == (8, 5, 4)
    assert layer.macs == 8 * 3 * 9 * 5 * 4
    assert layer.params == 8 * 3 * 9 + 8


def test_counts_of_a_grouped_and_a_depthwise_convolution() -> None:
    tape = Tape((8, 4, 4))
    tape.conv(INPUT, 16, kernel=3, groups=4)
    tape.depthwise(INPUT, kernel=5)
    assert [layer.macs for layer in tape.layers] == [16 * 2 * 9 * 16, 8 * 25 * 16]
    assert [layer.params for layer in tape.layers] == [16 * 2 * 9, 8 * 25]
    assert tape.layers[1].groups == 8


def test_counts_of_a_linear_layer() -> None:
    tape = Tape((6, 2, 2))
    tape.linear(INPUT, 10)
    tape.linear(INPUT, 10, bias=False)
    assert [layer.macs for layer in tape.layers] == [240, 240]
    assert [layer.params for layer in tape.layers] == [250, 240]


def test_counts_of_squeeze_and_excitation() -> None:
    tape = Tape((16, 8, 8))
    out = tape.squeeze_excite(INPUT, 4)
    assert tape.shape(out) == (16, 8, 8)
    assert sum(layer.macs for layer in tape.layers) == 16 * 4 * 2
    assert sum(layer.params for layer in tape.layers) == 16 * 4 * 2 + 4 + 16


def test_what_only_moves_or_scales_costs_no_multiply_accumulates() -> None:
    tape = Tape((8, 4, 4))
    even, odd = tape.split(INPUT)
    both = tape.concat(even, tape.act(tape.batch_norm(odd), "relu"))
    tape.global_pool(tape.add(both, INPUT))
    assert [layer.op for layer in tape.layers] == [
        "channel_split",
        "channel_split",
        "batch_norm",
        "relu",
        "concat",
        "add",
        "global_avg_pool",
    ]
    assert sum(layer.macs for layer in tape.layers) == 0
    assert sum(layer.params for layer in tape.layers) == 8
    assert tape.layers[-1].out_shape == (8, 1, 1)


def test_blocks_may_have_several_inputs() -> None:
    tape = Tape((4, 8, 8), (6, 8, 8), (4, 8, 8))
    x = tape.conv(INPUT - 1, 4)
    tape.add(x, INPUT - 2)
    assert tape.shape(INPUT - 1) == (6, 8, 8)
    assert inputs_read(tape.layers) == [1, 2]
    assert inputs_read([]) == []


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (lambda t: t.conv(INPUT, 8, kernel=2), "odd kernel"),
        (lambda t: t.conv(INPUT, 8, stride=0), "stride"),
        (lambda t: t.conv(INPUT, 0), "size below 1"),
        (lambda t: t.conv(INPUT, 6, groups=4), "4 groups do not divide 8 and 6 channels"),
        (lambda t: t.linear(INPUT, 0), "size below 1"),
        (lambda t: t.leading(INPUT, -1), "size below 1"),
        (lambda t: t.add(INPUT, t.conv(INPUT, 8, stride=2)), "cannot be added"),
        (lambda t: Tape((3, 0, 0)), "size below 1"),
        (lambda t: Tape(()), "size below 1"),
    ],
)
def test_impossible_layers_are_refused(record, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        record(Tape((8, 4, 4)))
