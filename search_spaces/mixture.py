"""Mixtures: for some choices several options at once, each with a gate (Liu et al. 2019, DARTS).

A slot that reads such a choice yields the sum of its options' blocks, times their gates. What it
yields depends on one gate only, so a mixture is described slot by slot; torch-free.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from search_spaces.architecture import Architecture
from search_spaces.blocks import BlockSpec
from search_spaces.errors import SpaceError
from search_spaces.space import SearchSpace

__all__ = ["MixedSlot", "mixed_slots"]


@dataclass(frozen=True, slots=True)
class MixedSlot:
    """What one slot yields.

    Attributes:
        choice: The choice whose gates weigh the blocks; None where there is one block.
        blocks: One for each option of the choice that takes part, None where that skips the slot.
    """

    choice: str | None
    blocks: tuple[BlockSpec | None, ...]


def mixed_slots(
    space: SearchSpace, architecture: Architecture, options: Mapping[str, Sequence[int]]
) -> Mapping[str, MixedSlot]:
    """Return what every slot yields, by its name.

    Args:
        space: The space.
        architecture: The options of the other choices.
        options: Of every mixed choice the positions of the options that take part.

    Raises:
        SpaceError: A slot reads two mixed choices, or a fold of one.
    """
    return _mixed_slots(space, architecture, tuple((c, tuple(o)) for c, o in options.items()))


@lru_cache(maxsize=64)
def _mixed_slots(
    space: SearchSpace,
    architecture: Architecture,
    options: tuple[tuple[str, tuple[int, ...]], ...],
) -> Mapping[str, MixedSlot]:
    names = [choice.name for choice in space.choices]
    mixed = {names.index(name): taking_part for name, taking_part in options}
    row = space.variables(space.encode(architecture)[None])[0]
    found: dict[str, MixedSlot] = {}
    for slot, table, scope in zip(space.slots, space.grid.tables, space.grid.scopes, strict=True):
        gated = [variable for variable in scope if variable in mixed]
        folds = [space.folds[v - len(names)] for v in scope if v >= len(names)]
        if len(gated) > 1 or any(set(fold.reads) & set(mixed) for fold in folds):
            read = ", ".join(repr(names[v]) for v in gated) or "a fold of them"
            raise SpaceError(
                f"Slot {slot.name!r} of {space.name!r} reads {read}: operations can be mixed only "
                "where a slot reads one choice of them. Use a space of operations, such as "
                "proxyless."
            )
        index = list(row[list(scope)])
        if not gated:
            found[slot.name] = MixedSlot(None, (space.grid.blocks[table[tuple(index)]],))
            continue
        blocks = []
        for option in mixed[gated[0]]:
            index[scope.index(gated[0])] = option
            blocks.append(space.grid.blocks[table[tuple(index)]])
        found[slot.name] = MixedSlot(names[gated[0]], tuple(blocks))
    return found
