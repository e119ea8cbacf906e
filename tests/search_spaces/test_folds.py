from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from search_spaces import Choice, Fold, SearchSpace, SpaceBuilder, SpaceError
from search_spaces.blocks import Conv
from search_spaces.folds import step_tables
from search_spaces.tables import count
from tests.random_spaces import every_row, random_spaces

HEADS = [(i, Choice(f"head_{i}", ("softmax", "relu"))) for i in range(3)]


def softmax_heads(**changes: object) -> Fold:
    arguments = {
        "reads": HEADS,
        "states": (0, 1, 2, 3),
        "initial": 0,
        "step": lambda state, head: state + (head == "softmax"),
    }
    return Fold.build("softmax_heads", **{**arguments, **changes})  # type: ignore[arg-type]


def test_a_fold_counts_over_many_choices() -> None:
    rows = np.array([[0, 0, 0], [0, 1, 0], [1, 1, 1]], dtype=np.int16)
    assert softmax_heads()(rows).tolist() == [3, 2, 0]
    assert softmax_heads()(rows[:0]).tolist() == []


@given(random_spaces())
def test_vectorised_fold_equals_the_loop(space: SearchSpace) -> None:
    rows = every_row(space)
    for fold in space.folds:
        for row, state in zip(rows, fold(rows), strict=True):
            expected = fold.initial
            for column, step in zip(fold.reads, fold.steps, strict=True):
                expected = step[expected, row[column]]
            assert state == expected


@given(random_spaces())
def test_step_tables_allow_one_run_for_each_architecture(space: SearchSpace) -> None:
    tables, sizes = step_tables(space.folds, len(space.choices), space.variable_sizes)
    assert count(tables, sizes) == len(every_row(space))


def test_only_reachable_states_are_asked_for() -> None:
    """Three heads cannot hold four softmaxes, so that step(3, "softmax") is never taken."""
    assert softmax_heads().reachable == (0, 1, 2, 3)
    assert softmax_heads(initial=1, reads=HEADS[:2]).reachable == (1, 2, 3)
    builder = SpaceBuilder("reachable")
    heads = [builder.choice(choice.name, choice.options) for _, choice in HEADS[:2]]
    builder.fold(
        "number",
        reads=heads,
        states=(0, 1, 2, 3, 4),
        initial=1,
        step=lambda state, head: int(state) + (head == "softmax"),
    )
    asked = []

    def block(number: int) -> Conv:
        asked.append(number)
        return Conv(4, 4 * number, 8)

    builder.slot("layer", reads=("number",), block=block)
    space = builder.build()
    assert [block.cout for block in space.distinct_blocks()] == [4, 8, 12]
    assert asked == [1, 2, 3]
    widths = [space.blocks(a)["layer"].cout for a in space.decode_all(every_row(space))]
    assert widths == [12, 8, 8, 4]


def test_a_step_must_stay_in_the_states() -> None:
    with pytest.raises(SpaceError, match=r"by head_2='softmax' to 3, which is not one of"):
        softmax_heads(states=(0, 1, 2))


def test_it_must_start_in_a_state() -> None:
    with pytest.raises(SpaceError, match="starts at 9"):
        softmax_heads(initial=9)


def test_it_must_read_something() -> None:
    with pytest.raises(SpaceError, match="reads no choice"):
        softmax_heads(reads=[])
