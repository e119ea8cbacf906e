"""Isomorphisms: declared in a builder, kept in ids, canonical forms, sizes and fingerprints."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy as np
import pytest

from search_spaces import SearchSpace, SpaceBuilder, SpaceError
from search_spaces.blocks import Conv
from tests.random_spaces import every_row

KERNELS = (1, 3, 5)


def _branches(
    *reads: Sequence[str],
    form: Callable[..., Hashable] = lambda *kernels: tuple(sorted(kernels)),
    options: Sequence[int] = KERNELS,
) -> SearchSpace:
    """Return three choices of a kernel, some of which may be exchanged."""
    builder = SpaceBuilder("branches")
    for name in ("a", "b", "c"):
        builder.choice(name, options)
        builder.slot(
            f"slot_{name}", reads=(name,), block=lambda k: Conv(4, 4, 8, kernel=min(k, 5))
        )
    for choices in reads:
        builder.isomorphism(reads=choices, form=form)
    return builder.build()


def test_exchanged_options_are_one_architecture() -> None:
    space, rows = _branches(("a", "c")), every_row(_branches())
    assert space.size == 6 * 3 == len(set(space.ids(rows)))
    canonical = space.canonical(rows)
    assert (canonical[:, 0] <= canonical[:, 2]).all()
    assert np.array_equal(space.canonical(canonical), canonical)
    assert np.array_equal(space.keys(canonical), space.keys(rows))
    assert np.array_equal(canonical[:, 1], rows[:, 1])


def test_without_isomorphisms_every_row_stands_for_itself() -> None:
    space = _branches()
    assert np.array_equal(space.representative(every_row(space)), every_row(space))
    assert space.size == 27


def test_representatives_have_the_ids_of_their_blocks() -> None:
    plain, space = _branches(), _branches(("a", "b", "c"))
    rows = every_row(space)
    assert space.size == 10
    assert space.ids(rows) == plain.ids(space.representative(rows))


def test_the_fingerprint_tells_isomorphisms_apart() -> None:
    spaces = [
        _branches(),
        _branches(("a", "b")),
        _branches(("a", "c")),
        _branches(("a", "c"), form=lambda a, c: (a, c)),
    ]
    assert len({space.fingerprint for space in spaces}) == len(spaces)
    assert _branches(("a", "b")).fingerprint == spaces[1].fingerprint


def test_an_unknown_choice_is_refused_with_the_nearest() -> None:
    builder = SpaceBuilder("branches")
    builder.choice("kernel", KERNELS)
    with pytest.raises(SpaceError, match=r"'kernle'.*'kernel'"):
        builder.isomorphism(reads=("kernle",), form=lambda k: k)


@pytest.mark.parametrize("reads", [("b", "a"), ("a", "a"), ()])
def test_choices_are_read_once_and_in_order(reads: Sequence[str]) -> None:
    with pytest.raises(SpaceError, match="once each and in the order"):
        _branches(reads)


def test_two_isomorphisms_of_one_choice_are_refused() -> None:
    with pytest.raises(SpaceError, match="Two isomorphisms read the choice 'b'"):
        _branches(("a", "b"), ("b", "c"))


def test_options_that_build_the_same_block_are_refused() -> None:
    space = _branches(("a", "b"), options=(3, 5, 7))
    with pytest.raises(SpaceError, match=r"choice 'a'.*same blocks"):
        space.canonical(every_row(space))


def test_too_many_combinations_are_refused() -> None:
    with pytest.raises(SpaceError, match=r"8,000,000 combinations; at most 1,000,000"):
        _branches(("a", "b", "c"), options=range(1, 401, 2))
