"""What networks exist: choices, slots and blocks (no torch), and the supernets built from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from search_spaces.architecture import Architecture, read_architecture
from search_spaces.builder import SpaceBuilder
from search_spaces.choices import Choice, Option
from search_spaces.errors import InfeasibleError, MissingExtraError, NasError, SpaceError
from search_spaces.folds import Fold
from search_spaces.lazy import lazy_names
from search_spaces.registry import described_space, get_space, list_spaces, register_space
from search_spaces.slots import Slot
from search_spaces.space import Population, SearchSpace

if TYPE_CHECKING:
    from search_spaces.supernet import Supernet, build_network
    from search_spaces.traced import adopt_module

__all__ = [
    "Architecture",
    "Choice",
    "Fold",
    "InfeasibleError",
    "MissingExtraError",
    "NasError",
    "Option",
    "Population",
    "SearchSpace",
    "Slot",
    "SpaceBuilder",
    "SpaceError",
    "Supernet",
    "adopt_module",
    "build_network",
    "described_space",
    "get_space",
    "list_spaces",
    "read_architecture",
    "register_space",
]


__getattr__ = lazy_names(
    __name__,
    {"Supernet": "supernet", "adopt_module": "traced", "build_network": "supernet"},
)
