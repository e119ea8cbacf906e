"""Canonical form: of all options that make the same blocks, the first one.

Choices that the same slots read are taken together as a unit, so that two choices which only
together make a block (a width and its multiplier) are seen. Every slot's block table says
which options of a unit yield the same block under the other choices of the slot's scope. An
option is replaced by the first one about which all slots that read the unit agree that
nothing changes; for a choice without influence that is its first option.

The network of an architecture never changes, and the form is a fixed point. One network can
still have two canonical forms when choices of different units only together make the same
blocks, or when a slot reads so much that a unit is not compared at all. An id is made of the
blocks themselves and is equal for such twins.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter

import numpy as np
from numpy.typing import NDArray

from search_spaces.folds import Fold
from search_spaces.slots import BlockGrid
from search_spaces.tables import (
    Evaluator,
    Table,
    align,
    column_chunks,
    drop_constant_axes,
    ravel,
    sorted_table,
)

__all__ = ["Canonicaliser"]

_Mask = NDArray[np.bool_]

_MAX_JOINT_OPTIONS = 64
_MAX_ENTRIES = 1 << 24


@dataclass(frozen=True, slots=True, eq=False)
class _Rule:
    """What a unit's options become.

    Attributes:
        unit: Positions of its choices.
        scope: Variables that decide it: the others, then the unit.
        first: Joint option of the unit that replaces it, one axis for each of ``scope``.
        options: For each choice of the unit its option in ``first``, flat.
    """

    unit: tuple[int, ...]
    scope: tuple[int, ...]
    first: NDArray[np.int64]
    options: tuple[NDArray[np.intp], ...]


class Canonicaliser:
    """Vectorised canonical form for populations, and what the exact size is counted from.

    Args:
        grid: Block tables of all slots.
        sizes: Number of options of every choice, then of states of every fold.
        folds: The folds; their variables come after the choices.
    """

    def __init__(self, grid: BlockGrid, sizes: Sequence[int], folds: Sequence[Fold]) -> None:
        self._choices = len(sizes) - len(folds)
        self._sizes = tuple(sizes)
        self._folds = tuple(folds)
        self._grid = grid
        self._rules, self._cyclic = self._ordered(
            [rule for unit in self._units() if (rule := self._rule(unit)) is not None]
        )
        self._changed = sorted({choice for rule in self._rules for choice in rule.unit})

    def __call__(self, variables: NDArray[np.int16]) -> NDArray[np.int16]:
        """Return the canonical form, int16 [n, choices]; the network of no row changes.

        Args:
            variables: int16 [n, choices + folds].
        """
        result = np.array(variables[:, : self._choices], dtype=np.int16)
        if not self._changed:
            return result
        for chunk, columns in column_chunks(variables):
            while self._apply(columns) and self._cyclic:
                pass
            result[chunk, self._changed] = columns[self._changed].T
        return result

    @property
    def replaced(self) -> frozenset[int]:
        """Choices of which an option is replaced by another in some architecture."""
        return frozenset(self._changed)

    def _apply(self, columns: NDArray[np.intp]) -> bool:
        """Replace options in place, columns intp [v, n]; return whether any was."""
        position = np.empty(columns.shape[1], dtype=np.intp)
        changed = False
        for rule in self._rules:
            ravel(rule.scope, rule.first.shape, columns, position)
            for choice, options in zip(rule.unit, rule.options, strict=True):
                after = options.take(position)
                changed = changed or (self._cyclic and bool((after != columns[choice]).any()))
                columns[choice] = after
                for number, fold in enumerate(self._folds):
                    if choice in fold.reads:
                        columns[self._choices + number] = fold(columns.T)
        return changed

    def inactive(self, variables: NDArray[np.int16]) -> _Mask:
        """Return bool [n, choices]: choices that change nothing whatever their option.

        A choice with one option leaves nothing to choose and counts as active.
        """
        result = np.zeros((len(variables), self._choices), dtype=np.bool_)
        for choices, evaluator in self._inactive_together:
            result[:, choices] = True if evaluator is None else evaluator(variables)[:, None]
        return result

    @cached_property
    def _inactive_together(self) -> list[tuple[list[int], Evaluator | None]]:
        """Choices that are inactive together, and what says when; None for always."""
        together: dict[object, tuple[list[int], Evaluator | None]] = {}
        for choice, tables in self.inactive_tables.items():
            same = tuple((t.scope, t.values.shape, t.values.tobytes()) for t in tables)
            if same not in together:
                made = Evaluator(tables, reduce=np.logical_and, dtype=np.bool_) if tables else None
                together[same] = [], made
            together[same][0].append(choice)
        return list(together.values())

    @cached_property
    def inactive_tables(self) -> dict[int, tuple[Table, ...]]:
        """Return, for choices that can be inactive, tables that are all true when they are."""
        result = {}
        for choice in (c for c in range(self._choices) if self._sizes[c] > 1):
            tables = [
                drop_constant_axes(Table(scope, np.asarray(same.all(axis=(-2, -1)))))
                for scope, same in self._agreements((choice,))
            ]
            if all(table.values.any() for table in tables):
                result[choice] = tuple(t for t in tables if not t.values.all())
        return result

    def canonical_tables(self) -> list[Table]:
        """Return tables of bool that are all true exactly on canonical architectures."""
        tables = []
        for rule in self._rules:
            shape = [self._sizes[choice] for choice in rule.unit]
            own = np.arange(math.prod(shape)).reshape(shape)
            tables.append(sorted_table(rule.scope, rule.first == own))
        return tables

    # how the rules are found

    def _readers(self, choice: int) -> frozenset[int]:
        """Return the slots that read a choice, directly or through a fold."""
        through = {self._choices + i for i, fold in enumerate(self._folds) if choice in fold.reads}
        return frozenset(
            slot
            for slot, scope in enumerate(self._grid.scopes)
            if choice in scope or not through.isdisjoint(scope)
        )

    def _units(self) -> list[tuple[int, ...]]:
        """Return the choices in groups that the same slots read; folded ones stay alone."""
        folded = {choice for fold in self._folds for choice in fold.reads}
        groups: dict[object, list[int]] = {}
        for choice in range(self._choices):
            readers = self._readers(choice)
            alone = choice in folded or not readers
            groups.setdefault(choice if alone else readers, []).append(choice)
        units: list[tuple[int, ...]] = []
        for group in groups.values():
            joint = math.prod(self._sizes[choice] for choice in group)
            together = joint <= _MAX_JOINT_OPTIONS
            units += [tuple(group)] if together else [(choice,) for choice in group]
        return units

    def _agreements(self, unit: tuple[int, ...]) -> list[tuple[tuple[int, ...], _Mask]]:
        """Return for every slot that reads a unit which of its joint options make one block.

        Returns:
            Pairs of the other variables and bool [their sizes ..., joint, joint]; those of
            few variables first.
        """
        slots = sorted(self._readers(unit[0]), key=lambda slot: len(self._grid.scopes[slot]))
        return [self._agreement(slot, unit) for slot in slots]

    def _agreement(self, slot: int, unit: tuple[int, ...]) -> tuple[tuple[int, ...], _Mask]:
        scope, table = self._grid.scopes[slot], self._grid.tables[slot]
        joint = math.prod(self._sizes[v] for v in unit)
        if table.size * joint > _MAX_ENTRIES:
            return (), np.eye(joint, dtype=np.bool_)
        moved = [
            self._choices + i
            for i, fold in enumerate(self._folds)
            if unit[0] in fold.reads and self._choices + i in scope
        ]
        others = tuple(v for v in scope if v not in unit and v not in moved)
        order = [scope.index(v) for v in (*others, *moved, *(v for v in unit if v in scope))]
        states = math.prod(self._sizes[v] for v in moved)
        context = [self._sizes[v] for v in others]
        blocks = table.transpose(order).reshape([*context, states, -1])
        blocks = np.broadcast_to(blocks, [*context, states, joint])
        if not moved:
            blocks = blocks[..., 0, :]
            return others, blocks[..., :, None] == blocks[..., None, :]
        # A folded choice moves the fold's state. Two options agree when the slot cares for
        # no state under either, or when both move every state alike and the blocks agree.
        still = (blocks == blocks[..., :1, :]).all(axis=-2)
        first = blocks[..., 0, :]
        agree = still[..., :, None] & still[..., None, :]
        agree &= first[..., :, None] == first[..., None, :]
        alike = np.ones((joint, joint), dtype=np.bool_)
        for fold in (self._folds[v - self._choices] for v in moved):
            for read, step in zip(fold.reads, fold.steps, strict=True):
                if read == unit[0]:
                    alike &= (step[:, :, None] == step[:, None, :]).all(axis=0)
        blockwise = (blocks[..., :, None] == blocks[..., None, :]).all(axis=-3)
        return others, agree | (alike & blockwise)

    def _rule(self, unit: tuple[int, ...]) -> _Rule | None:
        """Return the replacement of a unit's options; None where nothing is ever replaced."""
        shape = [self._sizes[choice] for choice in unit]
        joint = math.prod(shape)
        if joint == 1:
            return None
        scope: tuple[int, ...] = ()
        same = np.ones((joint, joint), dtype=np.bool_)
        for others, agree in self._agreements(unit):
            union = tuple(sorted({*scope, *others}))
            if math.prod(self._sizes[v] for v in union) * joint * joint > _MAX_ENTRIES:
                return None
            axes = (*union, -2, -1)
            both = align(Table((*scope, -2, -1), same), axes) & align(
                Table((*others, -2, -1), agree), axes
            )
            table = drop_constant_axes(Table(union, both), keep=2)
            scope, same = table.scope, table.values
            if same.sum() == same.size // joint:  # an option agrees with none but itself
                return None
        first = same.argmax(axis=-1)
        options = np.unravel_index(first.ravel(), shape)
        return _Rule(
            unit,
            (*scope, *unit),
            first.reshape([*first.shape[:-1], *shape]),
            tuple(np.ascontiguousarray(o, dtype=np.intp) for o in options),
        )

    def _ordered(self, rules: list[_Rule]) -> tuple[list[_Rule], bool]:
        """Return the rules such that none changes what an earlier one read.

        Returns:
            The rules, and whether they read each other in a circle, so that they must be
            applied until nothing changes.
        """
        by_choice = {choice: number for number, rule in enumerate(rules) for choice in rule.unit}
        sorter: TopologicalSorter[int] = TopologicalSorter()
        for number, rule in enumerate(rules):
            read = {v for v in rule.scope if v < self._choices}
            for variable in rule.scope:
                if variable >= self._choices:
                    read.update(self._folds[variable - self._choices].reads)
            before = {by_choice[choice] for choice in read if choice in by_choice}
            sorter.add(number, *sorted(before - {number}))
        try:
            return [rules[number] for number in sorter.static_order()], False
        except CycleError:
            return rules, True
