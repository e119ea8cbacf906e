"""Every searcher against the conformance suite."""

from __future__ import annotations

import pytest

from nas.search import (
    NSGA2,
    NSGA3,
    AgingEvolution,
    AssistedSearch,
    Evolution,
    Objective,
    RandomSearch,
    Searcher,
    ofa_evolution,
    spos_evolution,
)
from nas.search.testing import SearcherSuite

SEARCHERS = [
    RandomSearch(),
    Evolution(),
    Evolution(parents=1, mutation_share=0.0),
    spos_evolution(),
    ofa_evolution(20),
    AgingEvolution(population=30, tournament=5),
    NSGA2(),
    AssistedSearch(candidates=100),
]


class TestSearchers(SearcherSuite):
    @pytest.fixture(params=SEARCHERS, ids=repr)
    def searcher(self, request: pytest.FixtureRequest) -> Searcher:
        return request.param


class TestSeveralObjectives(SearcherSuite):
    objectives = (Objective(), Objective("macs", "minimize"))

    @pytest.fixture(params=[NSGA2(), NSGA3(), NSGA2(population=7)], ids=repr)
    def searcher(self, request: pytest.FixtureRequest) -> Searcher:
        return request.param
