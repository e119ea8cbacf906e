"""Array operations over tables against slow loops."""

from __future__ import annotations

import itertools
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces import SpaceError
from search_spaces.tables import (
    Evaluator,
    Table,
    absorb,
    count,
    drop_constant_axes,
    evaluate,
    extremum,
    sorted_table,
)

SIZES = (2, 3, 1, 4)
REDUCE = st.sampled_from([np.add, np.maximum])


@st.composite
def tables(draw: st.DrawFn, low: int = -9, high: int = 9) -> Table:
    scope = tuple(sorted(draw(st.sets(st.integers(0, len(SIZES) - 1), max_size=3))))
    shape = tuple(SIZES[v] for v in scope)
    entries = int(np.prod(shape, dtype=int))
    values = draw(st.lists(st.integers(low, high), min_size=entries, max_size=entries))
    return Table(scope, np.array(values, dtype=np.float64).reshape(shape))


FUNCTIONS = st.lists(tables(), min_size=1, max_size=5)
CONSTRAINTS = st.lists(
    tables(0, 3).map(lambda t: Table(t.scope, t.values > 0)), min_size=0, max_size=3
)


def rows() -> np.ndarray:
    return np.array(list(itertools.product(*(range(s) for s in SIZES))), dtype=np.int16)


def slow(function: list[Table], row: np.ndarray, reduce: np.ufunc) -> float:
    values = [table.values[tuple(row[list(table.scope)])] for table in function]
    return float(sum(values) if reduce is np.add else max(values))


@given(FUNCTIONS, REDUCE)
def test_evaluate_equals_the_loop(function: list[Table], reduce: np.ufunc) -> None:
    expected = [slow(function, row, reduce) for row in rows()]
    assert evaluate(function, rows(), reduce=reduce).tolist() == expected


@given(FUNCTIONS, REDUCE)
def test_absorb_keeps_the_function(function: list[Table], reduce: np.ufunc) -> None:
    absorbed = absorb(function, reduce)
    assert len(absorbed) <= len(function)
    expected = evaluate(function, rows(), reduce=reduce)
    assert evaluate(absorbed, rows(), reduce=reduce).tolist() == expected.tolist()
    scopes = [set(table.scope) for table in absorbed]
    assert not any(a <= b for a, b in itertools.permutations(scopes, 2))


@given(FUNCTIONS, REDUCE, st.sampled_from(["min", "max"]), CONSTRAINTS)
def test_extremum_equals_brute_force(
    function: list[Table],
    reduce: np.ufunc,
    sense: Literal["min", "max"],
    constraints: list[Table],
) -> None:
    allowed = [r for r in rows() if all(slow([t], r, np.add) for t in constraints)]
    value, assignment = extremum(function, SIZES, sense=sense, reduce=reduce, allowed=constraints)
    if not allowed:
        assert value == (np.inf if sense == "min" else -np.inf)
        return
    best = (min if sense == "min" else max)(slow(function, row, reduce) for row in allowed)
    assert value == best == slow(function, assignment, reduce)
    assert any((assignment == row).all() for row in allowed)


@given(CONSTRAINTS)
def test_count_equals_brute_force(constraints: list[Table]) -> None:
    expected = sum(all(slow([t], row, np.add) for t in constraints) for row in rows())
    counted = count(constraints, SIZES)
    assert counted == expected
    assert type(counted) is int


def test_count_is_exact_beyond_64_bits() -> None:
    assert count([], [10] * 40) == 10**40
    forbid_one = Table((0,), np.arange(10) > 0)
    assert count([forbid_one], [10] * 40) == 9 * 10**39


@given(tables())
def test_constant_axes_are_dropped(table: Table) -> None:
    small = drop_constant_axes(table)
    assert set(small.scope) <= set(table.scope)
    assert np.array_equal(evaluate([small], rows()), evaluate([table], rows()))
    for axis in range(small.values.ndim):
        assert (np.diff(small.values, axis=axis) != 0).any()


def test_axes_that_are_no_variables_stay() -> None:
    values = np.zeros((2, 3, 4))
    values[..., 0] = np.array([[0.0], [1.0]])
    small = drop_constant_axes(Table((5, 7), values), keep=1)
    assert small.scope == (5,)
    assert small.values.shape == (2, 4)


def test_axes_are_sorted_with_their_values() -> None:
    values = np.arange(6).reshape(2, 3)
    table = sorted_table((4, 1), values)
    assert table.scope == (1, 4)
    assert np.array_equal(table.values, values.T)


@pytest.mark.parametrize("n", [0, 1, 4095, 4096, 4097, 9000])
def test_chunks_cover_every_row(n: int) -> None:
    rng = np.random.default_rng(n)
    variables = rng.integers(0, SIZES, (n, len(SIZES)))
    function = [Table((0, 3), rng.random((2, 4))), Table((1,), rng.random(3))]
    expected = (
        function[0].values[variables[:, 0], variables[:, 3]] + function[1].values[variables[:, 1]]
    )
    assert np.array_equal(evaluate(function, variables), expected)


def test_an_evaluator_keeps_its_own_copy_and_type() -> None:
    values = np.array([1, 2], dtype=np.uint64)
    evaluator = Evaluator([Table((0,), values), Table((0,), values)], dtype=np.uint64)
    values[:] = 7
    result = evaluator(np.array([[0], [1]], dtype=np.int16))
    assert result.dtype == np.uint64
    assert result.tolist() == [2, 4]


def test_too_large_an_answer_is_refused() -> None:
    star = [Table((0, v), np.zeros((2, 60))) for v in range(1, 7)]
    clique = [Table((v, w), np.ones((60, 60))) for v in range(1, 7) for w in range(v + 1, 7)]
    with pytest.raises(SpaceError, match=r"entries \(at most 50,000,000"):
        count([*star, *clique], [2, *[60] * 6])
