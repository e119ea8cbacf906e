"""Optuna's samplers as searchers (Akiba et al. 2019, arXiv:1907.10902).

Each round a new study in memory is told the whole history, so that a round is a function of the
history alone, and a resumed search goes on exactly. Nothing is written to a database.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from nas.search.asking import Ask, propose_by_asking
from nas.search.history import History, Proposals
from nas.search.optuna_bridge.package import optuna_package, quiet
from nas.search.optuna_bridge.samplers import build_sampler, check_sampler
from nas.search.optuna_bridge.trials import Encoding, directions, told_trial
from nas.search.problem import Problem
from nas.search.sampling import draw_feasible

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

__all__ = ["OptunaSearcher"]


@dataclass(frozen=True)
class OptunaSearcher:
    """A sampler of Optuna that never repeats itself and keeps the limits.

    The first round is random. Limits are told as constraints, the relative excess of each; a
    sampler that knows none sees penalties instead. See `asking.propose_by_asking`.

    Attributes:
        sampler: One of `samplers.list_samplers`, for example ``TPESampler``.
        options: Arguments of its constructor; see `samplers.build_sampler`.

    Raises:
        ConfigError: There is no such sampler or option.
        MissingExtraError: Optuna is not installed.
    """

    sampler: str = "TPESampler"
    options: Mapping[str, Any] = field(default_factory=dict)
    _told: WeakKeyDictionary[History, list[FrozenTrial]] = field(
        default_factory=WeakKeyDictionary, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        check_sampler(self.sampler, self.options)

    def propose(
        self, history: History, count: int, *, round: int, rng: np.random.Generator
    ) -> Proposals:
        """Return what the sampler asks for; see `Searcher.propose`."""
        if not len(history):
            return draw_feasible(history, count, rng=rng)
        space = history.problem.space
        told = self._told.setdefault(history, [])
        seed = int(rng.integers(2**31))
        with quiet():
            self._tell(history, told)
            sampler = build_sampler(self.sampler, self.options, space, seed=seed, trials=told)
            study = _study(history.problem, told, sampler)
            talk = _Talk(self.sampler, study, history.problem, Encoding(space))
            return propose_by_asking(talk, history, count, rng=rng)

    def _tell(self, history: History, told: list[FrozenTrial]) -> None:
        """Add trials for the evaluations that have none yet."""
        start, problem = len(told), history.problem
        encoding = Encoding(problem.space)
        rows = history.population[start:]
        excess = (problem.ratios(rows) - 1.0).tolist()
        for index, values in enumerate(history.values[start:].tolist()):
            told.append(told_trial(encoding, problem, rows[index], values, excess[index]))


def _study(problem: Problem, told: Sequence[FrozenTrial], sampler: BaseSampler) -> Study:
    """Return a study in memory with these trials."""
    package = optuna_package()
    storage = package.storages.InMemoryStorage()
    study: Study = package.create_study(
        storage=storage, sampler=sampler, directions=directions(problem)
    )
    study_id = storage.get_study_id_from_name(study.study_name)
    size = getattr(sampler, "population_size", None)
    for number, trial in enumerate(told):
        if size:  # a genetic sampler notes a trial's generation, and breeds from no others
            key = f"{type(sampler).__name__}:generation"
            trial.system_attrs = {**trial.system_attrs, key: number // size}
        storage.create_new_trial(study_id, template_trial=trial)
    return study


@dataclass(frozen=True, slots=True)
class _Talk:
    """An `asking.Engine`: one round of talk with a study."""

    operator: str
    study: Study
    problem: Problem
    encoding: Encoding

    def ask(self) -> Ask:
        """Ask for a trial."""
        trial = self.study.ask(self.encoding.distributions)
        return Ask(trial, self.encoding.row(trial.params))

    def accept(self, ask: Ask, excess: NDArray[np.float64]) -> None:
        """Leave the trial running."""
        self._constrain(ask.token, excess)

    def answer(
        self, ask: Ask, values: NDArray[np.float64] | None, excess: NDArray[np.float64]
    ) -> None:
        """Finish the trial."""
        self._constrain(ask.token, excess)
        failed = optuna_package().trial.TrialState.FAIL
        if values is None:
            self._tell(ask.token, state=failed)
        else:
            self._tell(ask.token, values=values.tolist())

    def _constrain(self, trial: Trial, excess: NDArray[np.float64]) -> None:
        for limit, value in zip(self.problem.limits, excess.tolist(), strict=True):
            trial.set_constraint(limit.metric, value)

    def _tell(self, trial: Trial, **result: Any) -> None:
        """Tell a result; a sampler that has nothing more to give may stop the study."""
        try:
            self.study.tell(trial, **result)
        except RuntimeError as error:  # Optuna offers to stop in its own loop only
            if "stop" not in str(error):
                raise
