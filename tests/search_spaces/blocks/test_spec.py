"""BlockSpec as a value, and its JSON."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces import SpaceError
from search_spaces.blocks import (
    BlockSpec,
    Conv,
    Head,
    Layer,
    MBConv,
    Shape,
    ShuffleV2,
    ShuffleXception,
    block_from_json,
    layers_of,
)
from search_spaces.blocks.spec import block_family


@block_family
class AllTypes(BlockSpec):
    whole: int
    number: float = 1.5
    flag: bool = False
    text: str = "x"
    maybe: str | None = None
    wholes: tuple[int, ...] = ()
    texts: tuple[str, ...] = ("a",)

    @property
    def in_shape(self) -> Shape:
        return (self.whole,)

    def layers(self) -> list[Layer]:
        return []


SIZES = st.integers(1, 64)
ODD = st.sampled_from([1, 3, 5, 7])
BLOCKS = st.one_of(
    st.builds(Conv, SIZES, SIZES, SIZES, kernel=ODD, act=st.sampled_from([None, "relu"])),
    st.builds(MBConv, SIZES, SIZES, SIZES, SIZES, kernel=ODD, se=st.integers(0, 8)),
    st.builds(ShuffleV2, SIZES, SIZES, SIZES, SIZES, kernel=ODD),
    st.builds(ShuffleXception, SIZES, SIZES, SIZES, SIZES),
    st.builds(Head, SIZES, SIZES, SIZES, dropout=st.floats(0, 0.9), bias=st.booleans()),
    st.builds(AllTypes, SIZES, wholes=st.lists(SIZES).map(tuple), maybe=st.none() | st.text()),
)


@given(BLOCKS)
def test_json_round_trip(block: BlockSpec) -> None:
    text = json.dumps(block.to_json())
    again = block_from_json(json.loads(text))
    assert again == block
    assert hash(again) == hash(block)
    assert json.dumps(again.to_json()) == text
    assert block_from_json(block.identity()) == block


@given(BLOCKS, BLOCKS)
def test_equal_blocks_and_only_those_have_the_same_identity(a: BlockSpec, b: BlockSpec) -> None:
    assert (a == b) == (a.identity() == b.identity())


def test_blocks_are_frozen_and_printable() -> None:
    block = Conv(3, 8, 32, kernel=3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        block.cin = 4  # type: ignore[misc]
    assert str(block) == "Conv(cin=3, cout=8, hw=32, kernel=3)"


def test_equal_values_of_other_types_make_the_same_json() -> None:
    loose = AllTypes(np.int64(3), 2, np.bool_(True), wholes=(np.int32(1), 2))  # type: ignore[arg-type]
    strict = AllTypes(3, 2.0, True, wholes=(1, 2))
    assert json.dumps(loose.to_json()) == json.dumps(strict.to_json())
    assert loose == strict


def test_any_whole_width_is_a_width() -> None:
    """Pruned networks have 37 channels."""
    block = MBConv(37, 41, 53, 11, kernel=5, stride=2)
    assert block.out_shape == (41, 6, 6)
    macs = 37 * 53 * 121 + 53 * 25 * 36 + 53 * 41 * 36
    assert sum(layer.macs for layer in layers_of(block)) == macs


def test_layers_are_listed_once() -> None:
    assert layers_of(Conv(3, 8, 32)) is layers_of(Conv(3, 8, 32))


FULL = {"block": "Conv", "cin": 3, "cout": 8, "hw": 32}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "key 'block'"),
        ([], "key 'block'"),
        ({"cin": 3}, "key 'block'"),
        ({"block": ["Conv"]}, "Unknown block family"),
        ({"block": "Cnv"}, "'Cnv'. Did you mean 'Conv'"),
        ({**FULL, "kernal": 3}, "no field 'kernal'. Did you mean 'kernel'"),
        ({"block": "Conv", "cin": 3}, r"lacks the fields \['cout', 'hw'\]"),
        ({**FULL, "cin": "3"}, "'cin' must be int, got '3'"),
        ({**FULL, "cin": 3.0}, "'cin' must be int"),
        ({**FULL, "cin": True}, "'cin' must be int, got True"),
        ({**FULL, "act": 3}, "'act' must be str or null"),
        ({**FULL, "cin": None}, "'cin' must be int"),
        ({"block": "AllTypes", "whole": 1, "flag": 1}, "'flag' must be bool"),
        ({"block": "AllTypes", "whole": 1, "number": "1"}, "'number' must be float"),
        ({"block": "AllTypes", "whole": 1, "wholes": 1}, "'wholes' must be list of int"),
        ({"block": "AllTypes", "whole": 1, "wholes": [1, "a"]}, "'wholes' must be list of int"),
    ],
)
def test_other_json_is_refused(value: object, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        block_from_json(value)  # type: ignore[arg-type]


def test_fields_that_files_cannot_hold_are_refused() -> None:
    with pytest.raises(SpaceError, match=r"Odd: field 'shape' is .*allowed are int, float"):

        @block_family
        class Odd(BlockSpec):
            shape: dict  # type: ignore[type-arg]


def test_a_family_name_is_taken_once() -> None:
    """The very same class may come again, when its module is loaded again."""

    def conv() -> type[BlockSpec]:
        class Conv(BlockSpec):
            cin: int

        return Conv

    with pytest.raises(SpaceError, match=r"'Conv', in search_spaces\.blocks\.conv"):
        block_family(conv())
    assert type(block_from_json(FULL)) is Conv
