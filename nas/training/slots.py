"""Slots that a training section names, by name or by pattern."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

import numpy as np

from nas.config import TrainConfig
from nas.errors import ConfigError, nearest
from search_spaces import SearchSpace
from search_spaces.blocks import layers_of

__all__ = ["check_slots", "compared_slots", "named_slots"]


def check_slots(space: SearchSpace, config: TrainConfig) -> None:
    """Refuse slots that a training section names and the space lacks, or cannot compare.

    Raises:
        ConfigError: See `named_slots` and `compared_slots`.
    """
    named_slots(space, config.freeze, key="train.freeze")
    compared_slots(space, config)


def named_slots(space: SearchSpace, patterns: Sequence[str], *, key: str) -> list[str]:
    """Return the slots that patterns of a key name.

    Args:
        space: The space.
        patterns: Names, or patterns such as "stage1.*".
        key: In whose name an error speaks.

    Raises:
        ConfigError: No slot has such a name.
    """
    slots = [slot.name for slot in space.slots]
    named: dict[str, None] = {}
    for pattern in patterns:
        matching = [slot for slot in slots if fnmatchcase(slot, pattern)]
        if not matching:
            raise ConfigError(
                f"{key} names {pattern!r}, which is no slot of {space.name!r}. "
                f"{nearest(pattern, slots)}"
            )
        named |= dict.fromkeys(matching)
    return list(named)


def compared_slots(space: SearchSpace, config: TrainConfig) -> tuple[str, ...]:
    """Return the slots whose outputs `train.inner_weight` compares with a teacher's.

    Raises:
        ConfigError: No slot has such a name, or some architecture would have nothing to compare.
    """
    if not config.inner_weight:
        return ()
    named = named_slots(space, config.inner_slots, key="train.inner_slots")
    if not any(_always_yields_features(space, slot) for slot in named):
        raise ConfigError(
            f"train.inner_slots = {list(config.inner_slots)} names {', '.join(map(repr, named))} "
            f"of {space.name!r}; some architecture has none of these, or they yield no feature "
            "maps or tokens, so that nothing could be compared. Name a slot in front of the "
            'head that is never skipped, or leave it out: "*" names all.'
        )
    return tuple(named)


def _always_yields_features(space: SearchSpace, slot: str) -> bool:
    """Return whether a slot yields a map or tokens in every architecture."""
    position = [other.name for other in space.slots].index(slot)
    blocks = (space.grid.blocks[i] for i in np.unique(space.grid.tables[position]))
    return all(block and layers_of(block) and len(block.out_shape) > 1 for block in blocks)
