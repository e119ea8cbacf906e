"""Where the networks of a space can part, and what they share before: see `ensemble`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from search_spaces.errors import SpaceError, nearest
from search_spaces.space import SearchSpace

__all__ = ["SplitPlan", "chosen_splits", "slot_inputs", "split_plan", "split_points"]


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """Where the variables of the base space are in the ensemble's.

    Attributes:
        splits: Positions of the slots at which members may part, ascending.
        first: For every base variable the first slot that needs it to be decided.
        shared: Base variables of which the shared part can have a value.
        own: Base variables of which members can have values of their own.
    """

    splits: tuple[int, ...]
    first: tuple[int, ...]
    shared: tuple[int, ...]
    own: tuple[int, ...]


def split_points(space: SearchSpace) -> list[str]:
    """Return the slots at which the networks of a space can part, in running order.

    One tensor passes there, the output of the slot before, and members can differ behind.
    """
    first = _first_readers(space)
    inputs = slot_inputs(space)
    found = []
    for split, slot in enumerate(space.slots):
        crossing = {i for reads in inputs[split:] for i in reads if i < split}
        if crossing <= {split - 1} and any(split <= reader for reader in first):
            found.append(slot.name)
    return found


def slot_inputs(space: SearchSpace) -> list[list[int]]:
    """Return the positions of the slots that each slot reads; -1 is the network's input."""
    positions = {slot.name: position for position, slot in enumerate(space.slots)}
    return [[positions.get(name, -1) for name in slot.inputs] or [-1] for slot in space.slots]


def _first_readers(space: SearchSpace) -> list[int]:
    """Return for every variable the first slot that needs it, -1 where all members share it.

    Choices that are tied, by a fold or as isomorphic, are needed together. What the shape of the
    network's input depends on is shared, for there is one input.
    """
    ties = {v: v for v in range(len(space.variable_sizes))}

    def root(v: int) -> int:
        while ties[v] != v:
            v = ties[v]
        return v

    for position, fold in enumerate(space.folds, len(space.choices)):
        for choice in fold.reads:
            ties[root(choice)] = root(position)
    for isomorphism in space.isomorphisms:
        for choice in isomorphism.scope[1:]:
            ties[root(choice)] = root(isomorphism.scope[0])
    needed: dict[int, int] = {}
    decides_input = _deciding_input(space)
    for slot, scope in enumerate(space.grid.scopes):
        for variable in scope:
            first = -1 if variable in decides_input else slot
            needed[root(variable)] = min(needed.get(root(variable), first), first)
    return [needed.get(root(v), -1) for v in ties]


def _deciding_input(space: SearchSpace) -> set[int]:
    """Return the variables on which the shape of the network's input depends."""
    found: set[int] = set()
    for slot, table, scope in zip(space.slots, space.grid.tables, space.grid.scopes, strict=True):
        if slot.inputs and "input" not in slot.inputs:
            continue
        blocks = space.grid.blocks
        shapes = {i: blocks[i].in_shape if blocks[i] else () for i in np.unique(table)}
        numbers = {shape: n for n, shape in enumerate(dict.fromkeys(shapes.values()))}
        known = np.vectorize(lambda i, s=shapes, n=numbers: n[s[i]])(table)
        for axis, variable in enumerate(scope):
            if (known != known.take([0], axis=axis)).any():
                found.add(variable)
    return found


def chosen_splits(
    base: SearchSpace, splits: Sequence[str], possible: Sequence[int]
) -> tuple[int, ...]:
    """Return the positions of the given splits, by default of all possible ones, ascending.

    Raises:
        SpaceError: Members cannot part at one of them.
    """
    positions = {base.slots[position].name: position for position in possible}
    for split in splits:
        if split not in positions:
            raise SpaceError(
                f"Members of {base.name!r} cannot part at {split!r}. {nearest(split, positions)}"
            )
    return tuple(sorted({positions[split] for split in splits} or possible))


def split_plan(base: SearchSpace, splits: Sequence[str]) -> SplitPlan:
    """Return where the variables of a base space go.

    Raises:
        SpaceError: There is no split, or not those that are given, or isomorphic choices would be
            shared at some splits only.
    """
    names = [slot.name for slot in base.slots]
    possible = [names.index(split) for split in split_points(base)]
    if not possible:
        raise SpaceError(
            f"The networks of {base.name!r} cannot share layers: nothing differs behind any slot "
            "through which one tensor passes."
        )
    chosen = chosen_splits(base, splits, possible)
    first = tuple(_first_readers(base))
    shared = tuple(v for v, reader in enumerate(first) if reader < chosen[-1])
    own = tuple(v for v, reader in enumerate(first) if reader >= chosen[0])
    for isomorphism in base.isomorphisms:
        both = set(isomorphism.scope) & set(shared) & set(own)
        if both:
            name = base.choices[min(both)].name
            raise SpaceError(
                f"The choice {name!r} of {base.name!r} has isomorphic options and cannot be "
                f"shared at one split and not at another. Give splits on one side of it, of "
                f"{[names[position] for position in possible]}."
            )
    return SplitPlan(chosen, first, shared, own)
