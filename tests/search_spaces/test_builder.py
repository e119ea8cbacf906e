from __future__ import annotations

import doctest

import pytest

import search_spaces.builder
from search_spaces import SpaceBuilder, SpaceError
from search_spaces.blocks import Conv


def conv(*options: object) -> Conv:
    return Conv(4, 4, 8)


def test_the_example_runs() -> None:
    result = doctest.testmod(search_spaces.builder)
    assert result.attempted > 0
    assert result.failed == 0


def test_slots_follow_each_other_unless_they_name_their_inputs() -> None:
    builder = SpaceBuilder("graph")
    builder.slot("a", block=conv)
    builder.slot("b", block=conv)
    builder.slot("c", block=conv, inputs=("a",))
    builder.slot("d", block=conv, inputs=("b", "c", "input"))
    inputs = {slot.name: slot.inputs for slot in builder.build().slots}
    assert inputs == {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c", "input")}


def test_scopes_are_positions_with_the_folds_after_the_choices() -> None:
    builder = SpaceBuilder("scopes")
    a = builder.choice("a", (1, 2))
    parity = builder.fold(
        "parity", reads=(a,), states=(0, 1), initial=0, step=lambda s, o: (s + o) % 2
    )
    b = builder.choice("b", (1, 2))
    builder.slot("slot", reads=(parity, b, a), block=conv)
    space = builder.build()
    assert space.slots[0].scope == (2, 1, 0)
    assert [choice.name for choice in space.choices] == ["a", "b"]
    assert [fold.reads for fold in space.folds] == [(0,)]


def builder() -> SpaceBuilder:
    result = SpaceBuilder("broken")
    result.choice("kernel", (1, 3))
    result.slot("stem", block=conv)
    return result


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (lambda b: b.choice("kernel", (5,)), "already has the name 'kernel'; a choice"),
        (lambda b: b.choice("", (5,)), "needs a name"),
        (lambda b: b.choice("depth", ()), "no options"),
        (lambda b: b.slot("stem", block=conv), "already has the name 'stem'; a slot"),
        (lambda b: b.slot("input", block=conv), "already has the name 'input'"),
        (lambda b: b.slot("", block=conv), "needs a name"),
        (lambda b: b.slot("x", reads=("kernel", "kernel"), block=conv), "reads a choice twice"),
        (lambda b: b.slot("x", reads="kernel", block=conv), r"write \('kernel',\)"),
        (lambda b: b.slot("x", inputs=("stm",), block=conv), "Did you mean 'stem'"),
        (lambda b: b.slot("x", inputs="stem", block=conv), r"write \('stem',\)"),
        (lambda b: (b.slot("x", reads=("kernal",), block=conv), b.build()), "mean 'kernel'"),
        (
            lambda b: b.fold("f", reads=("kernal",), states=(0,), initial=0, step=min),
            "Did you mean 'kernel'",
        ),
        (
            lambda b: b.fold("kernel", reads=("kernel",), states=(0,), initial=0, step=min),
            "already has the name 'kernel'; a fold",
        ),
    ],
)
def test_mistakes_are_named(declare, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        declare(builder())


def test_a_space_needs_a_slot() -> None:
    with pytest.raises(SpaceError, match="'empty' has no slots"):
        SpaceBuilder("empty").build()
