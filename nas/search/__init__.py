"""Search: what to evaluate next, under hard limits, until the budget is used.

A `Problem` says what is searched, a `Searcher` proposes populations, `search` evaluates them
and keeps everything in the archive, `best` and `pareto_front` choose from it.
"""

from __future__ import annotations

from nas.search.aging import AgingEvolution
from nas.search.assisted import AssistedSearch
from nas.search.errors import SearchError, StorageLostError
from nas.search.evaluators import Evaluate, EvaluateInParallel, EvaluatePopulation
from nas.search.evolution import Evolution, ofa_evolution, spos_evolution
from nas.search.exact import Optimum, optimum
from nas.search.feasibility import Witness, check_feasible
from nas.search.history import History, Proposals
from nas.search.listed import Listed
from nas.search.loop import SearchResult, search
from nas.search.nsga import NSGA2, NSGA3
from nas.search.pareto import pareto_front
from nas.search.problem import CostRange, Objective, Problem, UpperLimit, ranges
from nas.search.random_search import RandomSearch
from nas.search.sampling import draw_feasible
from nas.search.searcher import Searcher
from nas.search.selection import best, front, value_of
from nas.search.sweep import Target, swept, targets
from nas.search.workers import WorkerPool

__all__ = [
    "NSGA2",
    "NSGA3",
    "AgingEvolution",
    "AssistedSearch",
    "CostRange",
    "Evaluate",
    "EvaluateInParallel",
    "EvaluatePopulation",
    "Evolution",
    "History",
    "Listed",
    "Objective",
    "Optimum",
    "Problem",
    "Proposals",
    "RandomSearch",
    "SearchError",
    "SearchResult",
    "Searcher",
    "StorageLostError",
    "Target",
    "UpperLimit",
    "Witness",
    "WorkerPool",
    "best",
    "check_feasible",
    "draw_feasible",
    "front",
    "ofa_evolution",
    "optimum",
    "pareto_front",
    "ranges",
    "search",
    "spos_evolution",
    "swept",
    "targets",
    "value_of",
]
