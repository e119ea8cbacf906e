"""Architectures as Optuna's trials, and back.

A choice is a parameter: the index of the option, an integer range where all options are
numbers, which are ordered, and a categorical where any is a text. A choice with one option is
none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nas.search.optuna_bridge.package import optuna_package
from nas.search.problem import Problem
from search_spaces import SearchSpace

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

__all__ = ["Encoding", "directions", "told_trial"]


class Encoding:
    """Between rows of a population and parameters of a trial.

    Attributes:
        sizes: Number of options of each choice that has more than one.
        distributions: Of the parameters, by the choice's name.
    """

    def __init__(self, space: SearchSpace) -> None:
        kinds = optuna_package().distributions
        self._space = space
        self._columns = [i for i, choice in enumerate(space.choices) if len(choice.options) > 1]
        choices = [space.choices[column] for column in self._columns]
        self.sizes = {choice.name: len(choice.options) for choice in choices}
        self.distributions: dict[str, BaseDistribution] = {
            choice.name: kinds.CategoricalDistribution(range(len(choice.options)))
            if any(isinstance(option, str) for option in choice.options)
            else kinds.IntDistribution(0, len(choice.options) - 1)
            for choice in choices
        }

    def params(self, row: NDArray[np.int16]) -> dict[str, int]:
        """Return the parameters of one row."""
        return dict(zip(self.sizes, row[self._columns].tolist(), strict=True))

    def row(self, params: Mapping[str, int]) -> NDArray[np.int16]:
        """Return the row of a trial's parameters, int16 [d]."""
        row = np.zeros(len(self._space.choices), dtype=np.int16)
        row[self._columns] = [params[name] for name in self.sizes]
        return row

    def indices(self, options: Mapping[str, object]) -> dict[str, int]:
        """Return indices of options by choice.

        Raises:
            SpaceError: There is no such choice or option.
        """
        first = self._space.decode(np.zeros(len(self._space.choices), dtype=np.int16))
        row = self._space.encode({**first, **options})
        return {name: index for name, index in self.params(row).items() if name in options}


def directions(problem: Problem) -> list[str]:
    """Return the direction of each objective."""
    return [objective.direction for objective in problem.objectives]


@cache
def _told_class() -> type[FrozenTrial]:
    class ToldTrial(optuna_package().trial.FrozenTrial):  # type: ignore[misc]
        """A finished trial that studies may share: it has the same number in each."""

        def __deepcopy__(self, memo: dict[int, Any]) -> FrozenTrial:
            return self

    return ToldTrial


def told_trial(
    encoding: Encoding,
    problem: Problem,
    row: NDArray[np.int16],
    values: Sequence[float],
    excess: Sequence[float],
) -> FrozenTrial:
    """Return the finished trial of one evaluated architecture.

    Args:
        encoding: Of the problem's space.
        problem: Names the limits.
        row: The architecture.
        values: Of the objectives.
        excess: Each limited cost over its limit minus 1.
    """
    now = datetime.now()
    trial = _told_class()(
        number=-1,  # the storage numbers it
        trial_id=-1,
        state=optuna_package().trial.TrialState.COMPLETE,
        value=None,
        values=list(values),
        datetime_start=now,
        datetime_complete=now,
        params=encoding.params(row),
        distributions=encoding.distributions,
        user_attrs={},
        system_attrs={},
        intermediate_values={},
    )
    for limit, value in zip(problem.limits, excess, strict=True):
        trial.set_constraint(limit.metric, value)
    return trial
