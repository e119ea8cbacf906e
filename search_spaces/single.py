"""The space of a single architecture: a subnet that is trained on by itself."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from search_spaces.architecture import Architecture
from search_spaces.blocks import BlockSpec
from search_spaces.choices import Choice
from search_spaces.slots import Slot
from search_spaces.space import Population, SearchSpace

__all__ = ["single"]


class _Single(SearchSpace):
    """A space of one architecture, which keeps the id it has in the space it comes from."""

    def __init__(
        self,
        origin: SearchSpace,
        architecture: Architecture,
        choices: Sequence[Choice],
        slots: Sequence[Slot],
    ) -> None:
        super().__init__(origin.name, choices, slots=slots, options=origin.options)
        self._key = origin.keys(origin.encode(architecture)[None])[0]

    def keys(self, population: Population) -> NDArray[np.uint64]:
        """Return the id of the architecture for every row, uint64 [n]."""
        return np.full(len(population), self._key)


def single(space: SearchSpace, architecture: Architecture) -> SearchSpace:
    """Return a space with the slots of another and one architecture.

    A supernet of it has exactly the weights of the architecture's subnet, under the same names.

    Args:
        space: The space.
        architecture: Its options become the only ones.

    Raises:
        SpaceError: The architecture is not of the space.
    """
    blocks = space.blocks(architecture)
    choices = [Choice(choice.name, (architecture[choice.name],)) for choice in space.choices]
    slots = [
        Slot(slot.name, (), partial(_given, blocks[slot.name]), slot.inputs)
        for slot in space.slots
    ]
    return _Single(space, architecture, choices, slots)


def _given(block: BlockSpec | None) -> BlockSpec | None:
    return block
