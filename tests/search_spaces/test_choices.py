from __future__ import annotations

import json
import math

import numpy as np
import pytest

from search_spaces import Choice, SpaceError


def test_index_of_every_option() -> None:
    choice = Choice("kernel", (3, 5, 7))
    assert [choice.index(option) for option in choice.options] == [0, 1, 2]


def test_unknown_option_lists_the_allowed_ones() -> None:
    with pytest.raises(SpaceError, match=r"'kernel' has no option 4; allowed: \[3, 5, 7\]"):
        Choice("kernel", (3, 5, 7)).index(4)


@pytest.mark.parametrize(("options", "option"), [((0, 1), True), ((True, False), 1), (("3",), 3)])
def test_an_option_of_another_type_is_no_match(options: tuple, option: object) -> None:
    with pytest.raises(SpaceError, match="no option"):
        Choice("flag", options).index(option)


def test_numpy_numbers_become_plain_ones() -> None:
    choice = Choice("resolution", (*np.arange(128, 133, 4), np.float32(0.5)))
    assert json.dumps(choice.options) == "[128, 132, 0.5]"
    assert choice.index(np.int64(132)) == 1


def test_a_range_or_list_of_options_becomes_a_tuple() -> None:
    assert Choice("depth", [2, 3]) == Choice("depth", range(2, 4)) == Choice("depth", (2, 3))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "no options"),
        ((1, 2, 1), "repeats an option"),
        ((1, 1.0), "repeats an option"),
        ((1, None), "finite number or a text"),
        ((math.nan,), "finite number or a text"),
        (tuple(range(40_000)), "at most 32767"),
    ],
)
def test_impossible_options_are_refused(options: tuple, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        Choice("x", options)


def test_a_choice_needs_a_name() -> None:
    with pytest.raises(SpaceError, match="name"):
        Choice("", (1,))
