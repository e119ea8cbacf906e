"""Learnt gates of options: which choices have them, and what the options cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nas.errors import ConfigError
from nas.training.largest import RESOLUTION, largest
from predictors import CostTable
from search_spaces import SearchSpace, SpaceError
from search_spaces.mixture import mixed_slots

__all__ = ["gated_choices", "option_costs"]


def gated_choices(space: SearchSpace, strategy: str) -> dict[str, int]:
    """Return the number of options of every choice that gets gates: all but the resolution.

    Raises:
        ConfigError: A slot reads two of them, or there is none.
    """
    counts = {
        choice.name: len(choice.options)
        for choice in space.choices
        if choice.name != RESOLUTION and len(choice.options) > 1
    }
    if not counts:
        raise ConfigError(
            f"train.strategy = {strategy!r} learns which options to take, and {space.name!r} has "
            "no choice but the resolution."
        )
    try:
        mixed_slots(space, largest(space), {name: range(n) for name, n in counts.items()})
    except SpaceError as error:
        raise ConfigError(f"train.strategy = {strategy!r} does not go with it: {error}") from error
    return counts


def option_costs(
    cost: CostTable, gated: Mapping[str, int]
) -> tuple[float, dict[str, NDArray[np.float64]]]:
    """Return a cost as a sum over gated choices of what the chosen option costs.

    Args:
        cost: A sum over slots, none of which reads two gated choices.
        gated: From `gated_choices`.

    Returns:
        What is always to be paid, the other choices being as in the largest architecture; and
        by choice the cost of every option, float64 [options].
    """
    space = cost.space
    names = [choice.name for choice in space.choices]
    row = space.variables(space.encode(largest(space))[None])[0]
    fixed, prices = cost.constant, {name: np.zeros(n) for name, n in gated.items()}
    for table in cost.tables:
        index: list[Any] = list(row[list(table.scope)])
        mixed = [v for v in table.scope if v < len(names) and names[v] in gated]
        if not mixed:
            fixed += float(table.values[tuple(index)])
            continue
        index[table.scope.index(mixed[0])] = slice(None)
        prices[names[mixed[0]]] += table.values[tuple(index)]
    return fixed, prices
