"""Mixtures: for some choices several options at once, each with a gate (Liu et al. 2019, DARTS).

A slot that reads such choices yields the sum of its blocks over all combinations of their options,
each times the product of the gates. What it yields depends on these gates only, so a mixture is
described slot by slot; torch-free.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from search_spaces.architecture import Architecture
from search_spaces.blocks import BlockSpec, passed_on
from search_spaces.errors import SpaceError, nearest
from search_spaces.space import SearchSpace

__all__ = ["MixedSlot", "mixed_slots"]


@dataclass(frozen=True, slots=True)
class MixedSlot:
    """What one slot yields.

    Attributes:
        choices: Whose gates weigh the blocks; empty where there is one block.
        blocks: Without repetition; None where the slot is skipped.
        block_of: For every combination of the options that take part, the last choice's first,
            the position of its block.
    """

    choices: tuple[str, ...]
    blocks: tuple[BlockSpec | None, ...]
    block_of: tuple[int, ...] = (0,)


def mixed_slots(
    space: SearchSpace, architecture: Architecture, options: Mapping[str, Sequence[int]]
) -> Mapping[str, MixedSlot]:
    """Return what every slot yields, by its name.

    Args:
        space: The space.
        architecture: The options of the other choices.
        options: Of every mixed choice the positions of the options that take part.

    Raises:
        SpaceError: There is no such choice, a fold reads one, or the blocks of a slot differ in
            the shape of what they read or put out.
    """
    return _mixed_slots(space, architecture, tuple((c, tuple(o)) for c, o in options.items()))


@lru_cache(maxsize=64)
def _mixed_slots(
    space: SearchSpace,
    architecture: Architecture,
    options: tuple[tuple[str, tuple[int, ...]], ...],
) -> Mapping[str, MixedSlot]:
    names = [choice.name for choice in space.choices]
    mixed = _columns(space, names, options)
    row = space.variables(space.encode(architecture)[None])[0]
    grid, found = space.grid, {}
    for slot, table, scope in zip(space.slots, grid.tables, grid.scopes, strict=True):
        axes = [list(mixed[v]) if v in mixed else [int(row[v])] for v in scope]
        positions, block_of = np.unique(table[np.ix_(*axes)].ravel(), return_inverse=True)
        blocks = tuple(grid.blocks[position] for position in positions)
        read = tuple(names[variable] for variable in scope if variable in mixed)
        if read:
            _require_one_shape(slot.name, blocks)
        found[slot.name] = MixedSlot(read, blocks, tuple(block_of.ravel().tolist()))
    return found


def _columns(
    space: SearchSpace, names: list[str], options: tuple[tuple[str, tuple[int, ...]], ...]
) -> dict[int, tuple[int, ...]]:
    """Return the options that take part by the column of their choice."""
    for name, _ in options:
        if name not in names:
            raise SpaceError(
                f"Space {space.name!r} has no choice {name!r}. {nearest(name, names)}"
            )
    columns = {names.index(name): taking_part for name, taking_part in options}
    for fold in space.folds:
        if both := set(fold.reads) & set(columns):
            raise SpaceError(
                f"The choice {names[min(both)]!r} of {space.name!r} cannot be mixed: "
                f"{fold.name!r} is derived from it."
            )
    return columns


def _require_one_shape(slot: str, blocks: Sequence[BlockSpec | None]) -> None:
    running = [block for block in blocks if block is not None and passed_on(block) is None]
    for first, second in itertools.pairwise(running):
        if (first.in_shape, first.out_shape) != (second.in_shape, second.out_shape):
            raise SpaceError(
                f"The blocks of slot {slot!r} cannot be mixed: they map {first.in_shape} to "
                f"{first.out_shape} and {second.in_shape} to {second.out_shape}. Mix choices "
                "that leave shapes as they are."
            )
