from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given

from search_spaces import Choice, SearchSpace, Slot, SpaceError
from search_spaces.blocks import Conv
from search_spaces.slots import tabulate
from tests.random_spaces import random_spaces

KERNEL, WIDTH = Choice("kernel", (1, 3)), Choice("width", (4, 8, 12))


def test_axes_are_in_the_order_of_the_variables() -> None:
    slot = Slot("conv", (1, 0), lambda w, k: Conv(4, w, 8, kernel=k), ())
    grid = tabulate([slot], [KERNEL, WIDTH])
    assert grid.scopes == ((0, 1),)
    for (k, kernel), (w, width) in itertools.product(
        enumerate(KERNEL.options), enumerate(WIDTH.options)
    ):
        assert grid.blocks[grid.tables[0][k, w]] == Conv(4, width, 8, kernel=kernel)


def test_equal_blocks_are_kept_once_and_none_is_the_first() -> None:
    slots = [
        Slot("first", (0,), lambda k: Conv(4, 4, 8, kernel=k), ()),
        Slot("second", (0,), lambda k: Conv(4, 4, 8, kernel=k) if k == 3 else None, ("first",)),
    ]
    grid = tabulate(slots, [KERNEL, WIDTH])
    assert grid.blocks == (None, Conv(4, 4, 8, kernel=1), Conv(4, 4, 8, kernel=3))
    assert [table.tolist() for table in grid.tables] == [[1, 2], [0, 2]]


def test_what_has_no_influence_leaves_the_scope() -> None:
    slot = Slot("conv", (0, 1), lambda k, w: Conv(4, w, 8), ())
    assert tabulate([slot], [KERNEL, WIDTH]).scopes == ((1,),)


@given(random_spaces())
def test_the_grid_holds_what_the_block_functions_return(space: SearchSpace) -> None:
    variables = [*space.choices, *space.folds]
    values = [getattr(v, "options", getattr(v, "states", ())) for v in variables]
    rows = space.sample(20, np.random.default_rng(0))
    for row in space.variables(rows):
        for slot, table, scope in zip(
            space.slots, space.grid.tables, space.grid.scopes, strict=True
        ):
            block = slot.block(*(values[v][row[v]] for v in slot.scope))
            assert space.grid.blocks[table[tuple(row[list(scope)])]] == block
            assert set(scope) <= set(slot.scope)


def test_other_things_than_blocks_are_refused() -> None:
    slot = Slot("conv", (0,), lambda k: {"kernel": k}, ())  # type: ignore[arg-type, return-value]
    with pytest.raises(SpaceError, match=r"'conv' returned .*kernel.* for \(1,\)"):
        tabulate([slot], [KERNEL])


def test_a_slot_that_reads_too_much_is_refused_at_once() -> None:
    variables = [Choice(f"c{i}", (0, 1, 2, 3)) for i in range(12)]
    slot = Slot("attention", tuple(range(12)), lambda *heads: Conv(4, 4, 8), ())
    with pytest.raises(SpaceError, match=r"16,777,216\s+combinations.*fold"):
        tabulate([slot], variables)
