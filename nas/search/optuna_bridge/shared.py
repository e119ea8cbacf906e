"""One search by many machines: a study says what is done, what is being done, and by whom.

A trial is one attempt at one architecture. It is created with the architecture in it, in one
write; whoever created the first of several trials of an architecture evaluates it, the others
withdraw, so that nothing is evaluated twice at the same time. A worker says every few seconds
that it lives; when it has not for a while, its attempt counts as lost and another worker repeats
the evaluation.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nas.archive import Archive, Metric, Proposal, Record
from nas.errors import ConfigError, RunError
from nas.search.optuna_bridge.package import optuna_package, quiet
from nas.search.optuna_bridge.storage import WAITS_S, open_study
from nas.search.problem import Problem
from predictors.provenance import Provenance
from search_spaces import Architecture

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

__all__ = ["Claim", "SharedStudy", "View"]

logger = logging.getLogger(__name__)

_MAX_LOSSES = 3


@dataclass(frozen=True, slots=True)
class Claim:
    """An architecture that one worker evaluates, or did.

    Attributes:
        id: Of the architecture.
        architecture: Canonical.
        proposal: Why; the round is the searcher's.
        trial_id: Of the trial in the storage; -1 before it has one.
    """

    id: str
    architecture: Architecture
    proposal: Proposal
    trial_id: int = -1


@dataclass(frozen=True, slots=True)
class View:
    """What a study holds at one moment.

    Attributes:
        trials: Number of trials of any kind.
        finished: Results by id, the first first: metrics, or why the evaluation failed.
        claims: What was claimed, by id.
        running: Ids that living workers evaluate.
        lost: Claims that are to be repeated.
    """

    trials: int
    finished: Mapping[str, Mapping[str, Metric] | str]
    claims: Mapping[str, Claim]
    running: frozenset[str]
    lost: Sequence[Claim]


class SharedStudy:
    """A study that several workers write.

    Args:
        problem: What is searched.
        url: Of the storage; see `storage.open_study`.
        name: Of the study, made where there is none.
        lease_s: After so many seconds without a sign of life a worker counts as dead. The
            clocks of the machines must agree to a fraction of it.
        waits_s: Seconds to wait before each further attempt to reach the storage.

    Raises:
        ConfigError: The URL is wrong, or the study is about something else.
        RunError: The storage cannot be reached.
        MissingExtraError: Optuna is not installed.
    """

    def __init__(
        self,
        problem: Problem,
        url: str,
        name: str,
        *,
        lease_s: float = 120.0,
        waits_s: Sequence[float] = WAITS_S,
    ) -> None:
        if lease_s <= 0:
            raise ConfigError(f"shared study: lease_s = {lease_s}, must be above 0.")
        self.problem = problem
        self._lease_s = lease_s
        self._study = open_study(problem, url, name, waits_s=waits_s)
        self._states = optuna_package().trial.TrialState

    def view(self) -> View:
        """Read the study; what dead workers left is given free.

        Raises:
            RunError: The storage cannot be reached.
        """
        trials = self._trials()
        stale = [trial for trial in trials if self._stale(trial)]
        for trial in stale:
            self._end(trial._trial_id, lost="the worker died")
        if stale:
            trials = self._trials()
        return self._read(trials)

    def _trials(self) -> list[FrozenTrial]:
        found = self._study.patiently("get_all_trials", self._study.id, deepcopy=False)
        return [trial for trial in found if "architecture" in trial.user_attrs]

    def _stale(self, trial: FrozenTrial) -> bool:
        seen: float = trial.user_attrs.get("seen_at", 0.0)
        return trial.state == self._states.RUNNING and time.time() - seen > self._lease_s

    def _read(self, trials: Sequence[FrozenTrial]) -> View:
        claims, running = dict[str, Claim](), set[str]()
        finished = dict[str, Mapping[str, Metric] | str]()
        losses, deaths = list[str](), Counter[str]()
        for trial in trials:
            claim = _claim(trial)
            claims.setdefault(claim.id, claim)
            attributes = trial.user_attrs
            if trial.state == self._states.RUNNING:
                running.add(claim.id)
            elif "lost" in attributes:
                losses.append(claim.id)
                deaths[claim.id] += attributes["lost"] == "the worker died"
                if deaths[claim.id] == _MAX_LOSSES:
                    why = f"the worker died in each of {_MAX_LOSSES} attempts"
                    finished.setdefault(claim.id, why)
            elif "failure" in attributes:
                finished.setdefault(claim.id, attributes["failure"])
            elif trial.state == self._states.COMPLETE:
                finished[claim.id] = _metrics(attributes["metrics"])
        open_ids = [id for id in dict.fromkeys(losses) if id not in finished.keys() | running]
        return View(
            len(trials),
            finished,
            claims,
            frozenset(running - finished.keys()),
            [claims[id] for id in open_ids],
        )

    def claim(self, wanted: Claim, *, evaluations: int) -> Claim | None:
        """Take an architecture for this worker.

        Args:
            wanted: What to take.
            evaluations: Different architectures in all.

        Returns:
            None when another worker was faster, with this architecture or with the last one.

        Raises:
            RunError: The storage cannot be reached.
        """
        package = optuna_package()
        why = wanted.proposal
        about = {
            "id": wanted.id,
            "choices": wanted.architecture.to_json(),
            "round": why.round,
            "operator": why.operator,
            "parents": list(why.parents),
        }
        trial = package.trial.create_trial(
            state=self._states.RUNNING,
            user_attrs={"architecture": about, "seen_at": time.time()},
        )
        create = "create_new_trial"
        trial_id = self._study.patiently(create, self._study.id, template_trial=trial)
        order = dict[str, int]()
        for trial in self._trials():
            if not trial.user_attrs.keys() & {"lost", "withdrawn"}:
                order.setdefault(trial.user_attrs["architecture"]["id"], trial._trial_id)
        if order[wanted.id] != trial_id or list(order).index(wanted.id) >= evaluations:
            self._end(trial_id, withdrawn="another worker was first")
            return None
        return Claim(wanted.id, wanted.architecture, wanted.proposal, trial_id)

    @contextmanager
    def alive(self, claim: Claim) -> Iterator[None]:
        """Say in the study that this worker lives, until the block ends.

        When the block raises, the architecture is given free for others.
        """
        over = threading.Event()

        def beat() -> None:
            while not over.wait(self._lease_s / 4):
                try:
                    self._note(claim.trial_id, seen_at=time.time())
                except (RunError, RuntimeError) as error:
                    logger.warning("Evaluation of %s: no sign of life: %s", claim.id, error)

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        except BaseException:  # an interrupt must give it free, too; always raised again
            self._end(claim.trial_id, lost="the worker was stopped")
            raise
        finally:
            over.set()
            thread.join()

    def finish(self, claim: Claim, result: Mapping[str, Metric] | str) -> None:
        """Write a result: metrics by name, or why the evaluation failed.

        Raises:
            RunError: The storage cannot be reached.
        """
        if isinstance(result, str):
            self._end(claim.trial_id, failure=result)
            return
        metrics = {n: [m.value, m.provenance.to_json()] for n, m in result.items()}
        values = [result[objective.metric].value for objective in self.problem.objectives]
        self._end(claim.trial_id, values, metrics=metrics)

    def collect(self, archive: Archive) -> int:
        """Record in an archive what the study has and the archive has not; return how many.

        Raises:
            RunError: The storage cannot be reached, or the archive cannot be written.
        """
        view, known = self.view(), set(archive.ids())
        records = []
        for id, result in view.finished.items():
            claim = view.claims[id]
            if id not in known:
                failed = isinstance(result, str)
                records.append(
                    Record(
                        id,
                        claim.architecture,
                        {} if isinstance(result, str) else result,
                        claim.proposal,
                        str(result) if failed else "",
                    )
                )
        archive.record_many(records)
        return len(records)

    def _note(self, trial_id: int, **attributes: Any) -> None:
        for key, value in attributes.items():
            self._study.patiently("set_trial_user_attr", trial_id, key, value)

    def _end(
        self, trial_id: int, values: Sequence[float] | None = None, **attributes: Any
    ) -> None:
        """End a trial, unless another worker did; with values it is complete, else failed."""
        state = self._states.FAIL if values is None else self._states.COMPLETE
        try:
            with quiet():
                self._note(trial_id, **attributes)
                self._study.patiently("set_trial_state_values", trial_id, state, values)
        except optuna_package().exceptions.UpdateFinishedTrialError:
            logger.warning("Trial %d was ended by another worker.", trial_id)


def _claim(trial: FrozenTrial) -> Claim:
    about = trial.user_attrs["architecture"]
    why = Proposal(about["round"], about["operator"], tuple(about["parents"]))
    return Claim(about["id"], Architecture(about["choices"]), why, trial._trial_id)


def _metrics(noted: Mapping[str, Any]) -> dict[str, Metric]:
    return {
        name: Metric(value, Provenance.from_json(provenance))
        for name, (value, provenance) in noted.items()
    }
