"""Which options a stage of training may draw, checked against the space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from nas.config import StageConfig
from nas.errors import ConfigError, nearest
from nas.training.largest import RESOLUTION
from predictors import largest
from search_spaces import Architecture, SearchSpace
from search_spaces.blocks import BlockSpec
from search_spaces.choices import Choice, Option
from search_spaces.space import Population

__all__ = ["OpenOptions", "choices_like", "open_options"]


@dataclass(frozen=True)
class OpenOptions:
    """The options of every choice that may be drawn.

    Attributes:
        space: The space.
        options: For each choice the positions of its open options, int16, at least one.
    """

    space: SearchSpace
    options: tuple[NDArray[np.int16], ...]

    @classmethod
    def only(cls, space: SearchSpace, architecture: Architecture) -> Self:
        """Return the options of one architecture."""
        return cls(space, tuple(space.encode(architecture)[:, None]))

    def sample(self, n: int, rng: np.random.Generator) -> Population:
        """Draw every open option of every choice uniformly, int16 [n, d]."""
        counts = [len(options) for options in self.options]
        drawn = rng.integers(0, counts, size=(n, len(counts)))
        columns = [options[drawn[:, i]] for i, options in enumerate(self.options)]
        return np.stack(columns, axis=1)

    @cached_property
    def steady(self) -> bool:
        """Whether nothing but the resolution can differ between architectures."""
        pairs = zip(self.space.choices, self.options, strict=True)
        return all(len(options) == 1 or choice.name == RESOLUTION for choice, options in pairs)

    @cached_property
    def blocks(self) -> dict[str, set[BlockSpec]]:
        """The blocks that every slot can yield, by its name.

        A slot that reads a fold counts as if every state of it could occur.
        """
        grid, found = self.space.grid, {}
        states = [np.arange(len(fold.states)) for fold in self.space.folds]
        variables = [*self.options, *states]
        for slot, table, scope in zip(self.space.slots, grid.tables, grid.scopes, strict=True):
            chosen = table[np.ix_(*(variables[v] for v in scope))]
            present = (grid.blocks[i] for i in np.unique(chosen))
            found[slot.name] = {block for block in present if block is not None}
        return found


def open_options(space: SearchSpace, stages: Sequence[StageConfig]) -> list[OpenOptions]:
    """Return what each stage may draw: what it and those before it have opened.

    Args:
        space: The space; of a choice that nothing has opened, its largest architecture's
            option is drawn.
        stages: In order.

    Raises:
        ConfigError: A stage names a choice or an option that the space lacks.
    """
    current = list(OpenOptions.only(space, largest(space)).options)
    result = []
    for stage in stages:
        problems: list[str] = []
        for pattern, options in stage.open.items():
            columns = _columns(space, pattern)
            if not columns:
                names = [choice.name for choice in space.choices]
                problems.append(
                    f"opens {pattern!r}, which is no choice. {nearest(pattern, names)}"
                )
            for column in columns:
                choice = space.choices[column]
                if missing := [option for option in options if option not in choice.options]:
                    problems.append(_lacks(choice, missing))
                    continue
                indices = {choice.options.index(option) for option in options}
                current[column] = np.array(sorted(indices), dtype=np.int16)
        if problems:
            raise ConfigError(
                f"The stage {stage.name!r} of train.stages does not fit the space "
                f"{space.name!r}: it {' It '.join(problems)}"
            )
        result.append(OpenOptions(space, tuple(current)))
    return result


def choices_like(space: SearchSpace, pattern: str, where: str) -> list[int]:
    """Return the positions of the choices that a name or pattern means, at least one.

    Raises:
        ConfigError: There is none.
    """
    columns = _columns(space, pattern)
    if not columns:
        names = [choice.name for choice in space.choices]
        raise ConfigError(
            f"{where} names {pattern!r}, which is no choice of the space {space.name!r}. "
            f"{nearest(pattern, names)}"
        )
    return columns


def _columns(space: SearchSpace, pattern: str) -> list[int]:
    """Return the positions of the choices that a name or pattern means."""
    return [i for i, c in enumerate(space.choices) if fnmatchcase(c.name, pattern)]


def _lacks(choice: Choice, missing: Sequence[Option]) -> str:
    return (
        f"opens {', '.join(map(repr, missing))} of {choice.name!r}, which the space lacks; "
        f"allowed are {', '.join(map(repr, choice.options))}."
    )
