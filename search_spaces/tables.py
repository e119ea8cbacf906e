"""Per-slot tables over the variables of a space, and exact answers from them.

A function of an architecture that is a sum (or a maximum) over slots, each of which reads
few variables, is a set of small arrays:

    f(a) = reduce_k  table_k[a[scope_k]]

`Evaluator` computes it for whole populations; `extremum` finds its exact minimum or maximum
by variable elimination (Dechter 1999, "Bucket elimination"); `count` counts assignments
with the same elimination over (+, x).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from search_spaces.errors import SpaceError

__all__ = [
    "Evaluator",
    "Table",
    "absorb",
    "align",
    "column_chunks",
    "count",
    "drop_constant_axes",
    "evaluate",
    "extremum",
    "ravel",
    "sorted_table",
]

Array: TypeAlias = NDArray[Any]

_CHUNK_ROWS = 4096
_MAX_JOINT = 32_768
_MAX_ENTRIES = 50_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """An array indexed by a few variables.

    Attributes:
        scope: Positions of the variables, strictly ascending, one for each axis.
        values: One entry for each combination of the variables' values.
    """

    scope: tuple[int, ...]
    values: Array


def sorted_table(scope: Sequence[int], values: Array) -> Table:
    """Return a table whose axes are put in ascending order of their variables."""
    order = np.argsort(scope)
    return Table(tuple(scope[axis] for axis in order), values.transpose(order))


def drop_constant_axes(table: Table, *, keep: int = 0) -> Table:
    """Remove the variables on which a table does not depend.

    Args:
        table: Its values may have more axes than its scope has variables.
        keep: Number of last axes that belong to no variable and stay.
    """
    scope, values = list(table.scope), table.values
    for axis in reversed(range(values.ndim - keep)):
        first = values.take([0], axis=axis)
        if (values == first).all():
            values = first.squeeze(axis)
            del scope[axis]
    return Table(tuple(scope), values)


class Evaluator:
    """Tables made ready to be evaluated many times.

    Args:
        tables: At least one; `absorb` first makes it faster.
        reduce: ``np.add`` or ``np.maximum``.
        dtype: Of the result.
    """

    def __init__(
        self, tables: Sequence[Table], *, reduce: np.ufunc = np.add, dtype: Any = np.float64
    ) -> None:
        self._reduce = reduce
        self._dtype = np.dtype(dtype)
        self._parts = [
            (table.scope, table.values.shape, np.array(table.values, self._dtype).ravel())
            for table in tables
        ]
        self._joint: tuple[NDArray[np.float64], NDArray[np.intp], Array] | None = None

    def __call__(self, variables: Array) -> Array:
        """Return reduce over the tables for every row, [n].

        Args:
            variables: int [n, v], the value index of each variable. Indices beyond a
                variable's values are not noticed.
        """
        rows = len(variables)
        if rows > 1 and rows * len(self._parts) <= _MAX_JOINT:
            return self._few(variables)
        return self._many(variables)

    def _few(self, variables: Array) -> Array:
        """Look all tables up at once: few calls, for populations of a few hundred rows.

        Positions are a product of matrices, exact in float64. Tables are reduced in the same
        order as in `_many`, so an architecture has the same value in either.
        """
        if self._joint is None:
            self._joint = self._joined(variables.shape[1])
        strides, first, values = self._joint
        position = np.matmul(strides, variables.T.astype(np.float64)).astype(np.intp)
        position += first
        found = values.take(position, mode="clip")
        return np.asarray(self._reduce.reduce(found, axis=0, dtype=self._dtype))

    def _joined(
        self, variables: int
    ) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[Any]]:
        """Return strides [t, v], first positions [t, 1] and values of all tables in a row."""
        strides = np.zeros((len(self._parts), variables))
        first, sizes = np.zeros((len(self._parts), 1), dtype=np.intp), 0
        for number, (scope, shape, values) in enumerate(self._parts):
            for axis, variable in enumerate(scope):
                strides[number, variable] = math.prod(shape[axis + 1 :])
            first[number], sizes = sizes, sizes + len(values)
        return strides, first, np.concatenate([values for _, _, values in self._parts])

    def _many(self, variables: Array) -> Array:
        """Look up table after table, in chunks that stay in the processor's cache."""
        rows = len(variables)
        result = np.empty(rows, dtype=self._dtype)
        index = np.empty(min(rows, _CHUNK_ROWS), dtype=np.intp)
        entry = np.empty(len(index), dtype=self._dtype)
        for chunk, columns in column_chunks(variables):
            total = result[chunk]
            position, value = index[: len(total)], entry[: len(total)]
            for number, (scope, shape, values) in enumerate(self._parts):
                ravel(scope, shape, columns, position)
                if number == 0:
                    np.take(values, position, out=total, mode="clip")
                else:
                    np.take(values, position, out=value, mode="clip")
                    self._reduce(total, value, out=total)
        return result


def evaluate(
    tables: Sequence[Table],
    variables: Array,
    *,
    reduce: np.ufunc = np.add,
    dtype: Any = np.float64,
) -> Array:
    """Return reduce over tables for every row, once; see `Evaluator`."""
    return Evaluator(tables, reduce=reduce, dtype=dtype)(variables)


def column_chunks(variables: Array) -> Iterator[tuple[slice, NDArray[np.intp]]]:
    """Yield rows in chunks that stay in the processor's cache, transposed, intp [v, chunk]."""
    for start in range(0, len(variables), _CHUNK_ROWS):
        chunk = slice(start, start + _CHUNK_ROWS)
        yield chunk, np.ascontiguousarray(variables[chunk].T, dtype=np.intp)


def ravel(
    scope: Sequence[int], shape: Sequence[int], columns: NDArray[np.intp], out: NDArray[np.intp]
) -> None:
    """Write the row-major position of every row in the flat values of a table.

    Args:
        scope: Variables of the table's axes.
        shape: Of the table.
        columns: intp [v, n], the value of every variable.
        out: intp [n].
    """
    if not scope:
        out.fill(0)
        return
    np.copyto(out, columns[scope[0]])
    for size, variable in zip(shape[1:], scope[1:], strict=True):
        np.multiply(out, size, out=out)
        np.add(out, columns[variable], out=out)


def absorb(tables: Sequence[Table], reduce: np.ufunc = np.add) -> tuple[Table, ...]:
    """Fold tables whose scope lies inside another's into that one; the function is the same."""
    kept: list[Table] = []
    for table in sorted(tables, key=lambda t: -len(t.scope)):
        for position, host in enumerate(kept):
            if set(table.scope) <= set(host.scope):
                aligned = align(table, host.scope)
                kept[position] = Table(host.scope, reduce(host.values, aligned))
                break
        else:
            kept.append(table)
    return tuple(kept)


def align(table: Table, scope: Sequence[int]) -> Array:
    """Return the values with an axis of length one for every variable the table lacks.

    Args:
        table: Its scope lies in ``scope``, in the same order.
        scope: Variables of the axes of the result.
    """
    sizes = dict(zip(table.scope, table.values.shape, strict=True))
    return table.values.reshape([sizes.get(variable, 1) for variable in scope])


def _join(tables: Sequence[Table], combine: np.ufunc, eliminated: int) -> Table:
    """Combine tables into one over the union of their scopes, the eliminated variable last."""
    scope = [*sorted({v for table in tables for v in table.scope} - {eliminated}), eliminated]
    sizes = {v: s for t in tables for v, s in zip(t.scope, t.values.shape, strict=True)}
    entries = math.prod(sizes[variable] for variable in scope)
    if entries > _MAX_ENTRIES:
        raise SpaceError(
            f"An exact answer needs a table of {entries:,} entries (at most {_MAX_ENTRIES:,}): "
            "too many slots share too many choices. Let slots read fewer choices or a fold."
        )
    joined: Array | None = None
    for table in tables:
        source = table
        if eliminated in table.scope:
            axis = table.scope.index(eliminated)
            source = Table(
                (*(v for v in table.scope if v != eliminated), eliminated),
                np.moveaxis(table.values, axis, -1),
            )
        aligned = align(source, scope)
        joined = aligned if joined is None else combine(joined, aligned)
    assert joined is not None
    return Table(tuple(scope), np.broadcast_to(joined, [sizes[v] for v in scope]))


def _next_variable(tables: Sequence[Table], sizes: Sequence[int], remaining: set[int]) -> int:
    """Pick the variable whose elimination makes the smallest table."""

    def result_entries(variable: int) -> int:
        touched = {v for t in tables if variable in t.scope for v in t.scope}
        return math.prod(sizes[other] for other in touched - {variable})

    return min(sorted(remaining), key=result_entries)


def extremum(
    tables: Sequence[Table],
    sizes: Sequence[int],
    *,
    sense: Literal["min", "max"],
    reduce: np.ufunc = np.add,
    allowed: Sequence[Table] = (),
) -> tuple[float, NDArray[np.int16]]:
    """Return the exact smallest or largest value and an assignment [v] that reaches it.

    Args:
        tables: The function, as in `evaluate`.
        sizes: Number of values of every variable.
        sense: Which extreme.
        reduce: ``np.add`` or ``np.maximum``.
        allowed: Tables of bool; only assignments for which all are true count.

    Raises:
        SpaceError: The tables overlap so much that an exact answer would not fit in memory.
    """
    if reduce is np.maximum and sense == "max":
        answers = [extremum([t], sizes, sense="max", allowed=allowed) for t in tables]
        return max(answers, key=lambda answer: answer[0])
    choose, best = (np.argmin, np.min) if sense == "min" else (np.argmax, np.max)
    neutral, forbidden = (0.0 if reduce is np.add else -np.inf), np.inf
    if sense == "max":
        forbidden = -np.inf
    factors = [Table(t.scope, np.asarray(t.values, dtype=np.float64)) for t in tables]
    factors += [Table(t.scope, np.where(t.values, neutral, forbidden)) for t in allowed]
    remaining = {v for t in factors for v in t.scope}
    decisions: list[tuple[int, tuple[int, ...], Array]] = []
    while remaining:
        variable = _next_variable(factors, sizes, remaining)
        bucket = [t for t in factors if variable in t.scope]
        joined = _join(bucket, reduce, variable)
        decisions.append((variable, joined.scope[:-1], choose(joined.values, axis=-1)))
        message = Table(joined.scope[:-1], np.asarray(best(joined.values, axis=-1)))
        factors = [t for t in factors if variable not in t.scope] + [message]
        remaining.remove(variable)
    value = factors[0].values[()]
    for table in factors[1:]:
        value = reduce(value, table.values[()])
    assignment = np.zeros(len(sizes), dtype=np.int16)
    for variable, scope, decision in reversed(decisions):
        assignment[variable] = decision[tuple(assignment[list(scope)])]
    return float(value), assignment


def count(tables: Sequence[Table], sizes: Sequence[int]) -> int:
    """Return the exact number of assignments for which every 0/1 table is one.

    Args:
        tables: Of bool or 0/1.
        sizes: Number of values of every variable.

    Raises:
        SpaceError: The tables overlap so much that an exact answer would not fit in memory.
    """
    factors = [Table(t.scope, np.asarray(t.values, dtype=object)) for t in tables]
    remaining = {v for t in factors for v in t.scope}
    total = math.prod(size for v, size in enumerate(sizes) if v not in remaining)
    while remaining:
        variable = _next_variable(factors, sizes, remaining)
        bucket = [t for t in factors if variable in t.scope]
        joined = _join(bucket, np.multiply, variable)
        message = np.asarray(np.sum(joined.values, axis=-1), dtype=object)
        factors = [t for t in factors if variable not in t.scope]
        factors.append(Table(joined.scope[:-1], message))
        remaining.remove(variable)
    return total * math.prod(int(table.values[()]) for table in factors)
