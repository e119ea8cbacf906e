"""An archive as an Optuna study, for optuna-dashboard and Optuna's plots.

The archive stays the only state of the search: the study is a copy that can be made again at
any time.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from nas.archive import Archive, Evaluated, Proposal
from nas.errors import RunError
from nas.search.optuna_bridge.package import optuna_package, quiet
from nas.search.optuna_bridge.storage import open_study
from nas.search.problem import Problem
from search_spaces.progress import Progress

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

__all__ = ["StudyMirror"]

logger = logging.getLogger(__name__)


class StudyMirror:
    """Copies what an archive has and a study has not yet.

    A trial has the options of an architecture as parameters, its objectives as values, its
    limits as constraints (the relative excess over each), and as user attributes its id, all
    metrics, and why it was proposed. Failed evaluations are failed trials.

    Args:
        problem: What was searched.
        url: Of the storage; see `storage.open_study`.
        name: Of the study, made where there is none.

    Raises:
        ConfigError: The URL is wrong, or the study is about something else.
        RunError: The storage cannot be reached.
        MissingExtraError: Optuna is not installed.
    """

    def __init__(self, problem: Problem, url: str, name: str) -> None:
        self._problem = problem
        self._study = open_study(problem, url, name)
        trials = self._study.patiently("get_all_trials", self._study.id, deepcopy=False)
        self._ids = {trial.user_attrs.get("id") for trial in trials}

    def update(self, archive: Archive) -> int:
        """Add the trials of new evaluations in the order of the archive; return how many.

        Raises:
            RunError: The storage cannot be reached, or the archive cannot be read.
        """
        why = dict(reversed(archive.proposals()))
        failures = archive.failures()
        rows = {row.id: row for row in archive.rows()}
        new = [id for id in archive.ids() if id not in self._ids]
        with quiet():
            trials = [
                self._failed(id, failures[id], why.get(id))
                if id in failures
                else self._complete(rows[id], why.get(id))
                for id in new
                if id in failures or self._has_objectives(rows.get(id))
            ]
            for trial in trials:
                self._study.patiently("create_new_trial", self._study.id, template_trial=trial)
                self._ids.add(trial.user_attrs["id"])
        return len(trials)

    @contextmanager
    def following(
        self, archive: Archive, progress: Progress, *, every_s: float = 30.0
    ) -> Iterator[Progress]:
        """Yield a progress report that updates the study now and then, and once at the end.

        A storage that cannot be reached is warned of: the search goes on without it.

        Args:
            archive: What the search writes.
            progress: What else is to be told.
            every_s: Seconds between two updates.
        """
        updated = time.monotonic()

        def report(done: int, total: int, text: str) -> None:
            nonlocal updated
            progress(done, total, text)
            if time.monotonic() - updated >= every_s:
                self._try_update(archive)
                updated = time.monotonic()

        try:
            yield report
        finally:
            self._try_update(archive)

    def _try_update(self, archive: Archive) -> None:
        try:
            self.update(archive)
        except RunError as error:
            logger.warning("The study is not up to date: %s", error)

    def _has_objectives(self, row: Evaluated | None) -> bool:
        metrics = {objective.metric for objective in self._problem.objectives}
        if row is None or not self._problem.space.holds(row.architecture):
            return False
        return metrics <= row.metrics.keys()

    def _complete(self, row: Evaluated, why: Proposal | None) -> FrozenTrial:
        problem, package = self._problem, optuna_package()
        architecture = row.architecture
        excess = problem.ratios(problem.space.encode(architecture)[None])[0] - 1.0
        attributes: dict[str, Any] = {n: metric.value for n, metric in row.metrics.items()}
        trial: FrozenTrial = package.trial.create_trial(
            values=[row.metrics[o.metric].value for o in problem.objectives],
            params=dict(architecture),
            distributions=self._distributions(),
            constraints=dict(
                zip((limit.metric for limit in problem.limits), excess.tolist(), strict=True)
            ),
            user_attrs={"id": row.id, **attributes, **_reason(why)},
        )
        return trial

    def _failed(self, id: str, failure: str, why: Proposal | None) -> FrozenTrial:
        package = optuna_package()
        trial: FrozenTrial = package.trial.create_trial(
            state=package.trial.TrialState.FAIL,
            user_attrs={"id": id, "failure": failure, **_reason(why)},
        )
        return trial

    def _distributions(self) -> dict[str, Any]:
        kind = optuna_package().distributions.CategoricalDistribution
        return {choice.name: kind(choice.options) for choice in self._problem.space.choices}


def _reason(why: Proposal | None) -> dict[str, Any]:
    if why is None:
        return {}
    return {"round": why.round, "operator": why.operator, "parents": list(why.parents)}
