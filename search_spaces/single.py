"""The space of a single architecture: a subnet that is trained on by itself."""

from __future__ import annotations

from functools import partial

from search_spaces.architecture import Architecture
from search_spaces.blocks import BlockSpec
from search_spaces.choices import Choice
from search_spaces.slots import Slot
from search_spaces.space import SearchSpace

__all__ = ["single"]


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
    return SearchSpace(space.name, choices, slots=slots, options=space.options)


def _given(block: BlockSpec | None) -> BlockSpec | None:
    return block
