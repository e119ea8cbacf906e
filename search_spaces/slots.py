"""Slots: one place in the network that reads a few variables and yields a block."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search_spaces.blocks import BlockSpec
from search_spaces.choices import Choice, Option
from search_spaces.errors import SpaceError
from search_spaces.folds import Fold
from search_spaces.tables import drop_constant_axes, sorted_table

__all__ = ["BlockGrid", "Slot", "tabulate"]

_MAX_ENTRIES = 1_000_000


@dataclass(frozen=True, slots=True)
class Slot:
    """One place in the network.

    Attributes:
        name: Unique within its space, for example ``stage2.1``.
        scope: Positions of the variables it reads (choices first, then folds), in the
            order of the arguments of ``block``.
        block: Called with one option for each variable; returns a BlockSpec, or None when
            the slot is skipped and passes its first input on.
        inputs: Names of the slots whose outputs it reads; empty for the network's input.
        separate_weights: Names of block fields whose values get weights of their own in a
            supernet. Blocks of one family share weights by slicing otherwise; blocks of
            different families never share.
        weights: Name of the place whose weights a supernet uses; by default the slot's own.
            Slots of the same weights share them by slicing, as the blocks of one slot do.
    """

    name: str
    scope: tuple[int, ...]
    block: Callable[..., BlockSpec | None]
    inputs: tuple[str, ...]
    separate_weights: tuple[str, ...] = ()
    weights: str = ""

    @property
    def weights_name(self) -> str:
        """Name of the place whose weights a supernet uses."""
        return self.weights or self.name


@dataclass(frozen=True, slots=True, eq=False)
class BlockGrid:
    """Every block every slot can yield.

    Attributes:
        blocks: The different blocks of the space; position 0 is None, the skipped slot.
        tables: For each slot the position in ``blocks`` for every combination of the
            variables it reads, axes in ascending order of ``scopes``.
        scopes: For each slot the positions of the variables on which its block depends,
            ascending.
    """

    blocks: tuple[BlockSpec | None, ...]
    tables: tuple[NDArray[np.int32], ...]
    scopes: tuple[tuple[int, ...], ...]


def tabulate(slots: Sequence[Slot], variables: Sequence[Choice | Fold]) -> BlockGrid:
    """Call every slot's block function on every combination of what it reads.

    What a slot reads without any influence on its block is dropped from its scope.

    Raises:
        SpaceError: A slot reads too much, or returns something that is neither a block nor
            None.
    """
    position: dict[BlockSpec | None, int] = {None: 0}
    tables, scopes = [], []
    for slot in slots:
        values = _tabulate(slot, [_options(variables[v]) for v in slot.scope], position)
        for axis, variable in enumerate(variables[v] for v in slot.scope):
            if isinstance(variable, Fold):
                values = values.take(_nearest_reachable(variable), axis=axis)
        table = drop_constant_axes(sorted_table(slot.scope, values))
        tables.append(table.values)
        scopes.append(table.scope)
    return BlockGrid(tuple(position), tuple(tables), tuple(scopes))


def _tabulate(
    slot: Slot, options: Sequence[tuple[Option, ...]], position: dict[BlockSpec | None, int]
) -> NDArray[np.int32]:
    """Return the position of every block of a slot, axes as in its scope; new ones are added."""
    shape = [len(values) for values in options]
    if math.prod(shape) > _MAX_ENTRIES:
        raise SpaceError(
            f"Slot {slot.name!r} reads {len(shape)} choices with {math.prod(shape):,} "
            f"combinations; at most {_MAX_ENTRIES:,}. Split it into slots that read fewer, or "
            "let it read a fold."
        )
    table = np.empty(math.prod(shape), dtype=np.int32)
    for entry, values in enumerate(itertools.product(*options)):
        block = slot.block(*values)
        if block is not None and not isinstance(block, BlockSpec):
            raise SpaceError(
                f"Slot {slot.name!r} returned {block!r:.80} for {values}; "
                "a block function returns a BlockSpec or None."
            )
        table[entry] = position.setdefault(block, len(position))
    return table.reshape(shape)


def _options(variable: Choice | Fold) -> tuple[Option, ...]:
    """Return the values a slot can meet."""
    if isinstance(variable, Choice):
        return variable.options
    return tuple(variable.states[state] for state in variable.reachable)


def _nearest_reachable(fold: Fold) -> NDArray[np.intp]:
    """Return for every state a position among the reachable ones: its own, or else any."""
    last = len(fold.reachable) - 1
    return np.minimum(np.searchsorted(fold.reachable, np.arange(len(fold.states))), last)
