"""What one of many workers of a shared study does: claim, evaluate, write, until all is done."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from nas.archive import Archive, Metric, Proposal, Record
from nas.errors import ConfigError, nearest
from nas.rng import stream
from nas.search.evaluators import Evaluate, evaluate_one
from nas.search.feasibility import check_feasible
from nas.search.history import History
from nas.search.optuna_bridge.shared import Claim, SharedStudy, View
from nas.search.problem import Problem
from nas.search.searcher import Searcher
from search_spaces.progress import Progress, silent

__all__ = ["WorkPlan", "work"]


@dataclass(frozen=True, slots=True)
class WorkPlan:
    """What all workers of a study agree on, and this worker's name.

    Attributes:
        evaluations: Different architectures in all, failed ones too.
        batch: Architectures in a round of the searcher.
        seed: Of the run.
        worker: Name of this worker, different from all others'.
        poll_s: Seconds between looks at the study while others do the last evaluations.
    """

    evaluations: int
    batch: int
    seed: int
    worker: str
    poll_s: float = 1.0

    def __post_init__(self) -> None:
        if self.evaluations < 1 or self.batch < 1 or not self.worker:
            raise ConfigError(
                f"work: evaluations = {self.evaluations} and batch = {self.batch} must be at "
                "least 1, and the worker needs a name."
            )


def work(
    study: SharedStudy,
    searcher: Searcher,
    evaluate: Evaluate,
    plan: WorkPlan,
    *,
    archive: Archive | None = None,
    progress: Progress = silent,
) -> int:
    """Evaluate until the study has all its evaluations; return how many were done here.

    Args:
        study: Shared with other workers.
        searcher: Proposes what to evaluate, from what all workers have found.
        evaluate: Measures one architecture.
        plan: How much, and who this is.
        archive: Results of this worker are recorded here before they are told to the study,
            and are found here after a restart, so that none is lost when the storage is away.
        progress: Called with what the whole study has done.

    Raises:
        RunError: The storage does not come back, or the archive cannot be written.
        InfeasibleError: No architecture meets the limits.
        ConfigError: An objective is not among the metrics.
    """
    problem = study.problem
    witness = check_feasible(problem)
    past = _Past(History(problem, starts=problem.space.encode(witness.architecture)[None]))
    done = 0
    while len((view := study.view()).finished) < plan.evaluations:
        progress(len(view.finished), plan.evaluations, f"{len(view.running)} running")
        past.follow(view, plan.batch)
        wanted = _wanted(past.history, view, searcher, plan)
        if wanted is None:
            if not view.running:
                return done
            time.sleep(plan.poll_s)
            continue
        claim = study.claim(wanted, evaluations=plan.evaluations)
        if claim is not None:
            with study.alive(claim):
                result = _known(archive, claim, problem) or _evaluated(problem, evaluate, claim)
                if archive is not None:
                    _record(archive, claim, result)
            study.finish(claim, result)
            done += 1
    progress(len(view.finished), plan.evaluations, "")
    return done


@dataclass(frozen=True)
class _Past:
    """The history of a study, as far as this worker has followed it."""

    history: History

    def follow(self, view: View, batch: int) -> None:
        """Add what was finished since, and what is running, which is not to be proposed."""
        space = self.history.problem.space
        evaluated = set(self.history.keys.tolist())
        for number, (id, result) in enumerate(view.finished.items()):
            if int(id, 16) not in evaluated and not isinstance(result, str):
                values = [result[o.metric].value for o in self.history.problem.objectives]
                row = space.encode(view.claims[id].architecture)[None]
                self.history.extend(number // batch, row, np.array([values]))
        taken = [int(id, 16) for id in view.claims]
        nothing = np.empty((0, len(self.history.problem.objectives)))
        self.history.extend(0, space.encode_all([]), nothing, failed=taken)


def _wanted(history: History, view: View, searcher: Searcher, plan: WorkPlan) -> Claim | None:
    """Return what to evaluate next: what was lost, else what the searcher proposes."""
    if view.lost:
        return view.lost[0]
    if len(view.finished) + len(view.running) >= plan.evaluations:
        return None
    rng = stream(plan.seed, "shared study", crc32(plan.worker.encode()), view.trials)
    round = len(view.finished) // plan.batch
    proposals = searcher.propose(history, 1, round=round, rng=rng)
    if not len(proposals):
        return None
    space = history.problem.space
    row = space.canonical(proposals.population)[0]
    parents = tuple(f"{key:016x}" for key in proposals.parents[0])
    proposal = Proposal(round, proposals.operators[0], parents)
    return Claim(space.ids(row[None])[0], space.decode(row), proposal)


def _known(archive: Archive | None, claim: Claim, problem: Problem) -> dict[str, Metric]:
    """Return what this worker measured before, if it has all objectives."""
    if archive is None:
        return {}
    names = [*problem.costs, *(objective.metric for objective in problem.objectives)]
    found = {name: archive.get(claim.id, name) for name in dict.fromkeys(names)}
    metrics = {name: metric for name, metric in found.items() if metric is not None}
    return metrics if len(metrics) == len(found) else {}


def _evaluated(problem: Problem, evaluate: Evaluate, claim: Claim) -> Mapping[str, Metric] | str:
    """Return all metrics, costs too, or why the evaluation failed.

    Raises:
        ConfigError: An objective is not among the metrics.
    """
    outcome = evaluate_one(evaluate, claim.architecture, 0)
    if outcome.failures:
        return outcome.failures[0]
    metrics = {
        name: Metric(float(values[0]), outcome.provenance[name])
        for name, values in outcome.metrics.items()
    }
    for name, cost in problem.costs.items():
        metrics[name] = Metric(cost.of(claim.architecture), cost.provenance)
    for objective in problem.objectives:
        if objective.metric not in metrics:
            raise ConfigError(
                f"objective {objective.metric}: neither the evaluation nor a cost gives it. "
                f"{nearest(objective.metric, metrics)}"
            )
    return metrics


def _record(archive: Archive, claim: Claim, result: Mapping[str, Metric] | str) -> None:
    known = claim.id in dict(archive.proposals())
    proposal = None if known else claim.proposal
    if isinstance(result, str):
        archive.record_many([Record(claim.id, claim.architecture, {}, proposal, result)])
    else:
        archive.record(claim.id, claim.architecture, result, proposal=proposal)
