"""The largest architecture of a space, which is the teacher of the others."""

from __future__ import annotations

from functools import lru_cache

from predictors import largest
from search_spaces import Architecture, SearchSpace

__all__ = ["RESOLUTION", "largest_at"]

RESOLUTION = "resolution"
"""The name of the choice of the input's height = width, in every space that has it."""


@lru_cache(maxsize=64)
def largest_at(space: SearchSpace, resolution: int) -> Architecture:
    """Return the architecture with most MACs, at a resolution if the space has several."""
    architecture = largest(space)
    if RESOLUTION not in architecture:
        return architecture
    return Architecture({**architecture, RESOLUTION: resolution})
