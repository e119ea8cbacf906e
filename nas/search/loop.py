"""The search loop: ask, evaluate, store; resumed, it goes on exactly where it stopped.

Round r is a pure function of the rounds before it and of the stream ("search", r), so a round
that was cut off is proposed again, what it has stored is skipped, and the archive ends up equal
to that of a search which was never interrupted.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from nas.archive import Archive
from nas.errors import ConfigError, InfeasibleError
from nas.rng import stream
from nas.search.errors import SearchError
from nas.search.evaluators import Evaluate, EvaluatePopulation, outcomes
from nas.search.feasibility import check_feasible
from nas.search.history import History
from nas.search.ledger import Asked, Ledger
from nas.search.problem import Problem, number
from nas.search.searcher import Searcher
from search_spaces.progress import Progress, silent

__all__ = ["SearchResult", "search"]

logger = logging.getLogger(__name__)

_PATIENCE_S = 1.0
_MAX_FAILED = 10  # when so many fail before any succeeds, the search stops


@dataclass(frozen=True, slots=True)
class SearchResult:
    """How a search ended.

    Attributes:
        history: Everything evaluated.
        stopped: ``budget`` when all evaluations were made, ``exhausted`` when the searcher
            found nothing more to propose.
    """

    history: History
    stopped: Literal["budget", "exhausted"]


def search(
    problem: Problem,
    searcher: Searcher,
    evaluate: Evaluate | EvaluatePopulation,
    archive: Archive | None,
    *,
    evaluations: int,
    batch: int,
    seed: int,
    progress: Progress = silent,
) -> SearchResult:
    """Search, or go on with a search.

    Args:
        problem: The space, the objectives and the limits.
        searcher: Proposes what to evaluate.
        evaluate: Measures one architecture at a time, or a whole round. What has the name of
            a cost of the problem is taken from the cost.
        archive: What it holds of this search is not done again; None keeps nothing on disk.
        evaluations: Different architectures in all, failed ones and those of earlier calls too.
        batch: Architectures in a round.
        seed: Of the run.
        progress: Called after each stored result.

    Raises:
        InfeasibleError: No architecture meets the limits, or none was found that does.
        SearchError: Every evaluation of the first rounds failed.
        ConfigError: An objective is not among the metrics, or a number is below 1.
        RunError: The archive cannot be written.
    """
    if evaluations < 1 or batch < 1:
        raise ConfigError(
            f"search: evaluations = {evaluations} and batch = {batch} must be at least 1."
        )
    witness = check_feasible(problem)
    history = History(problem, starts=problem.space.encode(witness.architecture)[None])
    patience_s = _PATIENCE_S if isinstance(evaluate, EvaluatePopulation) else 0.0
    with Ledger(problem, archive, patience_s=patience_s) as ledger:
        round = 0
        while history.proposed < evaluations:
            if not ledger.complete(round, batch):
                rng = stream(seed, "search", round)
                proposals = searcher.propose(history, batch, round=round, rng=rng)
                keys = problem.space.keys(proposals.population)
                fresh = history.fresh(keys)
                asked = Asked.of(problem, round, proposals.take(fresh), keys[fresh])
                if not len(fresh) and round not in ledger.rounds:
                    return _exhausted(history, evaluations)
                if _same_search(ledger, asked):
                    asked = asked.first(evaluations - history.proposed)
                    for _ in _evaluate(evaluate, history, ledger, asked):
                        if progress is not silent:
                            text = _text(history, ledger, asked)
                            progress(_done(history, ledger, asked), evaluations, text)
            _finish(history, ledger, round, evaluations)
            round += 1
    return SearchResult(history, "budget")


def _evaluate(
    evaluate: Evaluate | EvaluatePopulation, history: History, ledger: Ledger, asked: Asked
) -> Iterator[None]:
    """Store what is known and evaluate the rest; yield after each stored result."""
    known = ledger.known(asked)
    if known.positions or known.failures:
        ledger.store(asked, known)
    population, pending = asked.proposals.population, ledger.pending(asked)
    for outcome in outcomes(evaluate, history.problem.space, population, pending):
        ledger.store(asked, outcome)
        yield


def _done(history: History, ledger: Ledger, asked: Asked) -> int:
    """Return the number of results of the search so far."""
    return history.proposed + len(set(ledger.rounds[asked.round]) & set(asked.keys))


def _finish(history: History, ledger: Ledger, round: int, evaluations: int) -> None:
    """Add a finished round to the history.

    Raises:
        SearchError: Nothing succeeded so far, and that often enough.
    """
    population, values, keys, failed = ledger.results(ledger.rounds[round])
    history.extend(round, population, values, keys=keys, failed=failed)
    if not len(history) and history.proposed >= min(evaluations, _MAX_FAILED):
        raise SearchError(
            f"All {history.proposed} evaluations failed; the last one: "
            f"{ledger.last_failure()}. Mend the cause and start the search again."
        )


def _same_search(ledger: Ledger, asked: Asked) -> bool:
    """Return whether a half-finished round of the archive can be gone on with."""
    others = set(ledger.rounds.get(asked.round, ())) - set(asked.keys)
    if others:
        logger.warning(
            "Round %d of the archive was proposed by another configuration or version; it "
            "counts as finished and the search goes on with the next round.",
            asked.round,
        )
    return not others


def _exhausted(history: History, evaluations: int) -> SearchResult:
    """End a search for which nothing more was found.

    Raises:
        InfeasibleError: Nothing was found at all.
    """
    problem = history.problem
    if not history.proposed:
        limits = ", ".join(str(limit) for limit in problem.limits)
        raise InfeasibleError(
            f"No architecture of {problem.space.name} within the limits was found ({limits}); "
            "it is not proven that there is none. Raise a limit a little."
        )
    logger.warning(
        "The search stopped after %d of %d evaluations: no further architecture%s was found.",
        history.proposed,
        evaluations,
        " within the limits" if problem.limits else "",
    )
    return SearchResult(history, "exhausted")


def _text(history: History, ledger: Ledger, asked: Asked) -> str:
    """Return round and best value so far, for the progress report."""
    problem, objective = history.problem, history.problem.objectives[0]
    population, values, *_ = ledger.results(ledger.rounds[asked.round])
    values = np.concatenate([history.values[history.top(1)], values[problem.feasible(population)]])
    text = f"round {asked.round + 1}"
    if len(values):
        best = values[problem.gains(values)[:, 0].argmax(), 0]
        text += f", best {objective.metric} {number(float(best))}"
    return text
