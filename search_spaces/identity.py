"""Identity: ids of architectures and the fingerprint of a space, from content hashes.

The id of an architecture is the sum modulo 2^64 of one hash for each slot that holds a block,
made of the slot's name and the block's fields. It does not depend on choices, so
architectures that build the same network in the same slots have the same id, in every process
and version. Where a space declares isomorphic combinations, the representative is hashed.
Fields at their default are left out: a family may gain a field with a default without a change
of ids.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import numpy as np

from search_spaces.blocks import BlockSpec
from search_spaces.choices import Choice
from search_spaces.folds import Fold
from search_spaces.isomorphism import Isomorphism
from search_spaces.slots import BlockGrid, Slot
from search_spaces.tables import Table

__all__ = ["fingerprint", "id_tables"]


def id_tables(slots: Sequence[Slot], grid: BlockGrid) -> tuple[Table, ...]:
    """Return the hash of every slot's blocks, one uint64 table for each slot; skipped is 0."""
    texts = [b"" if block is None else _text(block) for block in grid.blocks]
    tables = []
    for slot, table, scope in zip(slots, grid.tables, grid.scopes, strict=True):
        salt = hashlib.blake2b(slot.name.encode(), digest_size=16).digest()
        hashes = np.zeros(len(texts), dtype=np.uint64)
        for position in np.unique(table):
            if texts[position]:
                digest = hashlib.blake2b(texts[position], digest_size=8, salt=salt).digest()
                hashes[position] = int.from_bytes(digest, "little")
        tables.append(Table(scope, hashes[table]))
    return tuple(tables)


def fingerprint(
    choices: Sequence[Choice],
    folds: Sequence[Fold],
    slots: Sequence[Slot],
    tables: Sequence[Table],
    *,
    isomorphisms: Sequence[Isomorphism] = (),
) -> str:
    """Return 16 hexadecimal digits, equal for spaces that mean the same.

    Args:
        choices: Names and options count.
        folds: Names, states and automata count.
        slots: Names, scopes, inputs and weight sharing count.
        tables: Of `id_tables`; every block counts.
        isomorphisms: Scopes and which combinations are one count.
    """
    digest = hashlib.blake2b(digest_size=8)
    for choice in choices:
        digest.update(json.dumps([choice.name, choice.options]).encode())
    for fold in folds:
        steps = [step.tolist() for step in fold.steps]
        parts = [fold.name, fold.reads, fold.states, fold.initial, steps]
        digest.update(json.dumps(parts).encode())
    for slot, table in zip(slots, tables, strict=True):
        parts = [slot.name, table.scope, slot.inputs, slot.separate_weights]
        parts += [slot.weights] if slot.weights else []
        digest.update(json.dumps(parts).encode())
        digest.update(np.ascontiguousarray(table.values, dtype="<u8").tobytes())
    for isomorphism in isomorphisms:
        digest.update(json.dumps(isomorphism.scope).encode())
        digest.update(isomorphism.first.astype("<i8").tobytes())
    return digest.hexdigest()


def _text(block: BlockSpec) -> bytes:
    """Return the family and the fields of a block that make it what it is."""
    return json.dumps(block.identity(), sort_keys=True).encode()
