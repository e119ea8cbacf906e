"""Per-slot tables over the variables of a space, and exact answers from them.

A function of an architecture that is a sum (or a maximum) over slots, each of which reads
few variables, is a set of small arrays:

    f(a) = reduce_k  table_k[a[scope_k]]

`evaluate` computes it for whole populations; `extremum` finds its exact minimum or maximum
by variable elimination (Dechter 1999, "Bucket elimination"); `count` counts assignments
with the same elimination over (+, x).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from search_spaces.errors import SpaceError

__all__ = ["Table", "absorb", "count", "evaluate", "extremum", "sorted_table"]

Array: TypeAlias = NDArray[Any]

_CHUNK_ROWS = 4096
_MAX_ENTRIES = 50_000_000


@dataclass(frozen=True, slots=True)
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


def evaluate(
    tables: Sequence[Table],
    variables: Array,
    *,
    reduce: np.ufunc = np.add,
    dtype: Any = np.float64,
) -> Array:
    """Return reduce over tables for every row.

    Args:
        tables: At least one; `absorb` first makes this faster.
        variables: int [n, v], the value index of each variable.
        reduce: ``np.add`` or ``np.maximum``.
        dtype: Of the result, [n].
    """
    rows = len(variables)
    result = np.empty(rows, dtype=dtype)
    flat = [np.ascontiguousarray(table.values, dtype=dtype).ravel() for table in tables]
    index = np.empty(min(rows, _CHUNK_ROWS), dtype=np.intp)
    entry = np.empty(len(index), dtype=dtype)
    for start in range(0, rows, _CHUNK_ROWS):
        chunk = variables[start : start + _CHUNK_ROWS]
        columns = np.ascontiguousarray(chunk.T, dtype=np.intp)
        total = result[start : start + len(chunk)]
        position, value = index[: len(chunk)], entry[: len(chunk)]
        for number, (table, values) in enumerate(zip(tables, flat, strict=True)):
            _ravel(table, columns, position)
            if number == 0:
                np.take(values, position, out=total, mode="clip")
            else:
                np.take(values, position, out=value, mode="clip")
                reduce(total, value, out=total)
    return result


def _ravel(table: Table, columns: Array, out: Array) -> None:
    """Write the row-major position of every row in the table's flat values."""
    if not table.scope:
        out.fill(0)
        return
    np.copyto(out, columns[table.scope[0]])
    for axis, variable in enumerate(table.scope[1:], start=1):
        np.multiply(out, table.values.shape[axis], out=out)
        np.add(out, columns[variable], out=out)


def absorb(tables: Sequence[Table], reduce: np.ufunc = np.add) -> tuple[Table, ...]:
    """Fold tables whose scope lies inside another's into that one; the function is the same."""
    kept: list[Table] = []
    for table in sorted(tables, key=lambda t: -len(t.scope)):
        for position, host in enumerate(kept):
            if set(table.scope) <= set(host.scope):
                aligned = _align(table, host.scope)
                kept[position] = Table(host.scope, reduce(host.values, aligned))
                break
        else:
            kept.append(table)
    return tuple(kept)


def _align(table: Table, scope: Sequence[int]) -> Array:
    """Return the values with an axis of length one for every variable the table lacks."""
    sizes = dict(zip(table.scope, table.values.shape, strict=True))
    return table.values.reshape([sizes.get(variable, 1) for variable in scope])


def _join(tables: Sequence[Table], combine: np.ufunc, eliminated: int) -> Table:
    """Combine tables into one over the union of their scopes, the eliminated variable last."""
    scope = sorted({v for table in tables for v in table.scope} - {eliminated}) + [eliminated]
    entries = 1
    sizes = {v: s for t in tables for v, s in zip(t.scope, t.values.shape, strict=True)}
    for variable in scope:
        entries *= sizes[variable]
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
        aligned = _align(source, scope)
        joined = aligned if joined is None else combine(joined, aligned)
    assert joined is not None
    return Table(tuple(scope), np.broadcast_to(joined, [sizes[v] for v in scope]))


def _next_variable(tables: Sequence[Table], sizes: Sequence[int], remaining: set[int]) -> int:
    """Pick the variable whose elimination makes the smallest table."""

    def result_entries(variable: int) -> int:
        touched = {v for t in tables if variable in t.scope for v in t.scope}
        entries = 1
        for other in touched - {variable}:
            entries *= sizes[other]
        return entries

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
    """Return the exact number of assignments for which every 0/1 table is one."""
    factors = [Table(t.scope, np.asarray(t.values).astype(object)) for t in tables]
    remaining = {v for t in factors for v in t.scope}
    total = 1
    for variable in set(range(len(sizes))) - remaining:
        total *= sizes[variable]
    while remaining:
        variable = _next_variable(factors, sizes, remaining)
        bucket = [t for t in factors if variable in t.scope]
        joined = _join(bucket, np.multiply, variable)
        factors = [t for t in factors if variable not in t.scope]
        factors.append(Table(joined.scope[:-1], np.sum(joined.values, axis=-1)))
        remaining.remove(variable)
    for table in factors:
        total *= int(table.values[()] if isinstance(table.values, np.ndarray) else table.values)
    return total
