"""Restriction: the space of those architectures that use only some options of each choice.

A restricted space is a space like any other, with a size and a fingerprint of its own. Its
architectures are architectures of the space it comes from, with the same ids, so a supernet
that was trained for the whole space can be searched under a part of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from search_spaces.choices import Choice, Option
from search_spaces.errors import SpaceError, nearest
from search_spaces.isomorphism import Isomorphism
from search_spaces.space import Population, SearchSpace

__all__ = ["Keep", "RestrictedSpace", "kept_options", "options_left", "restrict"]

Keep: TypeAlias = Mapping[str, Sequence[Option]]
"""The options to keep by choice; a name may be a pattern such as ``kernel_*``."""


class RestrictedSpace(SearchSpace):
    """A part of another space; made by `SearchSpace.restrict`.

    Args:
        origin: The space.
        kept: For every choice of it the choice with the options that stay, in their order.
    """

    def __init__(self, origin: SearchSpace, kept: Sequence[Choice]) -> None:
        self.origin = origin
        self._lifted = [
            np.array([choice.index(option) for option in stays.options], dtype=np.int16)
            for choice, stays in zip(origin.choices, kept, strict=True)
        ]
        super().__init__(
            origin.name,
            kept,
            folds=[fold.restricted(self._lifted) for fold in origin.folds],
            slots=origin.slots,
            isomorphisms=[
                Isomorphism(iso.scope, tuple(kept[i] for i in iso.scope), iso.form)
                for iso in origin.isomorphisms
            ],
            options=origin.options,
        )

    @property
    def whole(self) -> SearchSpace:
        """The space that nothing was taken from."""
        return self.origin.whole

    @property
    def kept(self) -> dict[str, list[Option]]:
        """What ``whole.restrict`` takes to make this space: the options of restricted choices."""
        return options_left(self, self.whole)

    def lift(self, population: Population) -> Population:
        """Return rows of this space as rows of the space it comes from, int16 [n, d]."""
        columns = [options[population[:, i]] for i, options in enumerate(self._lifted)]
        return np.stack(columns, axis=1) if columns else population

    def keys(self, population: Population) -> NDArray[np.uint64]:
        """Return the ids of the space it comes from: a network keeps its id."""
        if self.isomorphisms:  # whose representative may have been taken away
            return self.origin.keys(self.lift(population))
        return super().keys(population)


def options_left(part: SearchSpace, origin: SearchSpace) -> dict[str, list[Option]]:
    """Return the options of the choices that lost some, in a part of a space."""
    return {
        choice.name: list(choice.options)
        for choice, all_ in zip(part.choices, origin.choices, strict=True)
        if choice.options != all_.options
    }


def restrict(space: SearchSpace, keep: Keep) -> RestrictedSpace:
    """Return the part of a space that keeps only some options of some choices.

    Args:
        space: The space.
        keep: See `Keep`. Every choice that a pattern matches must have all options given for
            it; of two entries that match a choice the later one counts.

    Raises:
        SpaceError: A name or an option is unknown, or no option of a choice is kept.
    """
    options = kept_options(space, keep)
    kept = [Choice(choice.name, options[choice.name]) for choice in space.choices]
    return RestrictedSpace(space, kept)


def kept_options(space: SearchSpace, keep: Keep) -> dict[str, tuple[Option, ...]]:
    """Return the options that stay of every choice, in the order of the choice.

    Raises:
        SpaceError: As `restrict`.
    """
    names = [choice.name for choice in space.choices]
    kept = {choice.name: choice.options for choice in space.choices}
    for pattern, options in keep.items():
        if isinstance(options, str | int | float):
            raise SpaceError(
                f"keep {pattern!r}: give a list of options, got {options!r}; write [{options!r}]."
            )
        matched = [name for name in names if fnmatchcase(name, pattern)]
        if not matched:
            raise SpaceError(
                f"keep {pattern!r}: space {space.name!r} has no such choice. "
                f"{nearest(pattern, names)}"
            )
        if not options:
            raise SpaceError(
                f"keep {pattern!r}: no option would be left. Keep at least one, or leave the "
                "choice out to keep all."
            )
        for choice in space.choices:
            if choice.name in matched:
                positions = sorted({choice.index(option) for option in options})
                kept[choice.name] = tuple(choice.options[i] for i in positions)
    return kept
