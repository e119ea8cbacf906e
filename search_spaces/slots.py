"""Slots: one place in the network that reads a few variables and yields a block."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search_spaces.blocks import BlockSpec
from search_spaces.choices import Choice, Fold, Option
from search_spaces.errors import SpaceError

__all__ = ["BlockGrid", "Slot", "tabulate"]


@dataclass(frozen=True, slots=True)
class Slot:
    """One place in the network.

    Attributes:
        name: Unique within its space, for example ``stage2.1``.
        scope: Positions of the variables it reads (choices first, then folds), in the
            order of the arguments of ``block``.
        block: Called with one option for each variable; returns a BlockSpec, or None when
            the slot is skipped and passes its input on.
        inputs: Names of the slots whose outputs it reads; empty for the network's input.
        separate_weights: Names of block fields whose values get weights of their own in a
            supernet. Blocks of one family share weights by slicing otherwise; blocks of
            different families never share.
    """

    name: str
    scope: tuple[int, ...]
    block: Callable[..., BlockSpec | None]
    inputs: tuple[str, ...]
    separate_weights: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BlockGrid:
    """Every block every slot can yield.

    Attributes:
        blocks: The different blocks of the space; position 0 is None, the skipped slot.
        tables: For each slot the position in ``blocks`` for every combination of the
            variables it reads, axes in ascending order of ``scopes``.
        scopes: For each slot the positions of its variables, ascending.
    """

    blocks: tuple[BlockSpec | None, ...]
    tables: tuple[NDArray[np.int32], ...]
    scopes: tuple[tuple[int, ...], ...]


def tabulate(slots: Sequence[Slot], variables: Sequence[Choice | Fold]) -> BlockGrid:
    """Call every slot's block function on every combination of what it reads.

    Raises:
        SpaceError: A slot returns something that is neither a block nor None.
    """
    position: dict[BlockSpec | None, int] = {None: 0}
    tables, scopes = [], []
    for slot in slots:
        options = [_options(variables[v]) for v in slot.scope]
        shape = [len(values) for values in options]
        table = np.empty(int(np.prod(shape, dtype=np.int64)), dtype=np.int32)
        for entry, values in enumerate(itertools.product(*options)):
            block = slot.block(*values)
            if block is not None and not isinstance(block, BlockSpec):
                raise SpaceError(
                    f"Slot {slot.name!r} returned {block!r:.80} for {values}; "
                    "a block function returns a BlockSpec or None."
                )
            table[entry] = position.setdefault(block, len(position))
        order = np.argsort(slot.scope)
        tables.append(table.reshape(shape).transpose(order))
        scopes.append(tuple(sorted(slot.scope)))
    return BlockGrid(tuple(position), tuple(tables), tuple(scopes))


def _options(variable: Choice | Fold) -> tuple[Option, ...]:
    return variable.options if isinstance(variable, Choice) else variable.states
