"""Canonical form: a choice that changes no block under the others takes its first such option.

Every slot's block table says which options of a choice yield the same block, given the other
choices in the slot's scope. An option is replaced by an earlier one when every slot that
reads the choice agrees that nothing changes; for a choice without influence that is the
first option.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search_spaces.slots import BlockGrid
from search_spaces.tables import Table, evaluate

__all__ = ["Canonicaliser"]

_Population = NDArray[np.int16]
_Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Rule:
    """When ``earlier`` may replace the current option of ``choice``: all tables are true."""

    choice: int
    earlier: int
    tables: tuple[Table, ...]

    def applies(self, population: _Population) -> _Mask:
        """Return bool [n]: the replacement changes no block and the option is a later one."""
        changes = population[:, self.choice] > self.earlier
        for table in self.tables:
            changes &= evaluate([table], population, dtype=np.bool_)
        return changes


class Canonicaliser:
    """Vectorised canonical form for populations, and what the exact size is counted from.

    Args:
        grid: Block tables of all slots.
        choices: Number of choices; variables beyond are folds. A choice that a slot reads
            through a fold counts as active.
        folded: Positions of the choices that some fold reads.
    """

    def __init__(self, grid: BlockGrid, choices: int, folded: frozenset[int]) -> None:
        self._choices = choices
        self._rules = [
            rule
            for choice in range(choices)
            if choice not in folded
            for rule in _rules_of(grid, choice)
        ]

    def __call__(self, population: _Population) -> _Population:
        """Return the canonical form, int16 [n, d]; the network of every row is unchanged."""
        result = population.copy()
        for rule in self._rules:
            np.copyto(result[:, rule.choice], rule.earlier, where=rule.applies(result))
        return result

    def inactive(self, population: _Population) -> _Mask:
        """Return bool [n, d]: choices that change nothing whatever their option."""
        result = np.zeros((len(population), self._choices), dtype=np.bool_)
        for choice, tables in self._inactive_tables().items():
            mask = np.ones(len(population), dtype=np.bool_)
            for table in tables:
                mask &= evaluate([table], population, dtype=np.bool_)
            result[:, choice] = mask
        return result

    def _inactive_tables(self) -> dict[int, tuple[Table, ...]]:
        """Return, for choices that can be inactive, tables that are all true when they are."""
        by_choice: dict[int, list[_Rule]] = {}
        for rule in self._rules:
            by_choice.setdefault(rule.choice, []).append(rule)
        result = {}
        for choice, rules in by_choice.items():
            first = [rule for rule in rules if rule.earlier == 0]
            if first:
                result[choice] = tuple(_for_all_options(t, choice) for t in first[0].tables)
        return result

    def forbidden(self, sizes: Sequence[int]) -> list[Table]:
        """Return 0/1 tables whose product is one exactly on canonical architectures."""
        tables = []
        for rule in self._rules:
            scope = tuple(sorted({rule.choice, *(v for t in rule.tables for v in t.scope)}))
            mesh = np.meshgrid(*(np.arange(sizes[v]) for v in scope), indexing="ij")
            changes = mesh[scope.index(rule.choice)] > rule.earlier
            for table in rule.tables:
                changes = changes & table.values[tuple(mesh[scope.index(v)] for v in table.scope)]
            tables.append(Table(scope, (~changes).astype(np.int8)))
        return tables


def _rules_of(grid: BlockGrid, choice: int) -> list[_Rule]:
    """Return the replacements of one choice that at least one architecture allows."""
    reading = [
        (scope, table)
        for scope, table in zip(grid.scopes, grid.tables, strict=True)
        if choice in scope
    ]
    if not reading:
        return [_Rule(choice, 0, ())]
    options = reading[0][1].shape[reading[0][0].index(choice)]
    rules = []
    for earlier in range(options - 1):
        tables = []
        for scope, table in reading:
            axis = scope.index(choice)
            same = table == np.take(table, [earlier], axis=axis)
            later = np.take(same, range(earlier + 1, options), axis=axis)
            if not later.any():
                break
            tables.append(_drop_constant_axes(Table(scope, same)))
        else:
            rules.append(_Rule(choice, earlier, tuple(t for t in tables if not t.values.all())))
    return rules


def _drop_constant_axes(table: Table) -> Table:
    """Remove the axes along which a table does not change."""
    scope, values = list(table.scope), table.values
    for axis in reversed(range(len(scope))):
        first = np.take(values, [0], axis=axis)
        if (values == first).all():
            values = first.squeeze(axis)
            del scope[axis]
    return Table(tuple(scope), values)


def _for_all_options(table: Table, choice: int) -> Table:
    """Return a table over the other variables: true when it is true for every option."""
    if choice not in table.scope:
        return table
    axis = table.scope.index(choice)
    scope = tuple(v for v in table.scope if v != choice)
    return Table(scope, table.values.all(axis=axis))
