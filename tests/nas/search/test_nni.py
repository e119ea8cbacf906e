"""NNI's tuners keep what every searcher must keep; spaces go to NNI's forms and back."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from nas.errors import ConfigError
from nas.search import RandomSearch, Searcher, search
from nas.search.nni_bridge import (
    NniSearcher,
    from_mutable,
    from_search_space,
    to_mutable,
    to_search_space,
)
from nas.search.testing import SearcherSuite
from search_spaces import Choice
from tests.nas.search.toys import population_scorer, problem_of, score_of, space_of


@pytest.fixture
def nni() -> Any:
    return pytest.importorskip("nni", reason="nni is not installed")


class TestTuners(SearcherSuite):
    @pytest.fixture(params=["Random", "TPE", "Evolution", "GridSearch"])
    def searcher(self, request: pytest.FixtureRequest, nni: Any) -> Searcher:
        return NniSearcher(request.param)


class TestReject(SearcherSuite):
    @pytest.fixture
    def searcher(self, nni: Any) -> Searcher:
        return NniSearcher("Evolution", {"population_size": 20}, limits="reject")


def test_evolution_draws_from_no_global_generator(nni: Any) -> None:
    score = population_scorer(score_of("mobile_small"))
    found = []
    for seed in (1, 2):
        random.seed(seed)
        state = random.getstate()
        history = search(
            problem_of("mobile_small"),
            NniSearcher("Evolution"),
            score,
            None,
            evaluations=40,
            batch=10,
            seed=0,
        ).history
        assert random.getstate() == state
        found.append(history.keys.tolist())
    assert found[0] == found[1]


@pytest.mark.parametrize("tuner", ["TPE", "Evolution"])
def test_a_tuner_that_learns_beats_random_search(nni: Any, tuner: str) -> None:
    problem, score = problem_of("mobile_small"), population_scorer(score_of("mobile_small"))
    best = [
        search(
            problem, searcher, score, None, evaluations=200, batch=20, seed=seed
        ).history.values.max()
        for searcher in (NniSearcher(tuner), RandomSearch())
        for seed in range(3)
    ]
    assert np.mean(best[:3]) > np.mean(best[3:])


def test_batch_evaluates_what_it_is_given_within_the_limits_and_stops(nni: Any) -> None:
    problem = problem_of("mobile_small", macs=4e6)
    rows = problem.space.unique(problem.space.sample(30, np.random.default_rng(1)))
    given = [dict(row) for row in problem.space.decode_all(rows)]
    score = population_scorer(score_of("mobile_small"))
    searcher = NniSearcher("Batch", {"candidates": given})
    result = search(problem, searcher, score, None, evaluations=100, batch=7, seed=0)
    within = rows[problem.feasible(rows)]
    assert result.stopped == "exhausted"
    assert sorted(result.history.keys.tolist()) == sorted(problem.space.keys(within).tolist())


@pytest.mark.parametrize(
    ("tuner", "options", "message"),
    [
        ("Evolutoin", {}, "Did you mean 'Evolution'"),
        ("TPE", {"tpe_arg": {}}, "Did you mean 'tpe_args'"),
        ("TPE", {"optimize_mode": "maximize"}, "it comes from the objective"),
        ("Batch", {}, "candidates is required"),
    ],
)
def test_wrong_names_are_refused(
    nni: Any, tuner: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        NniSearcher(tuner, options)


def test_limits_are_told_in_one_of_two_ways() -> None:
    with pytest.raises(ConfigError, match="must be 'penalty' or 'reject'"):
        NniSearcher("TPE", limits="ignore")  # type: ignore[arg-type]


def test_a_space_goes_to_nni_and_back(nni: Any) -> None:
    space = space_of("mobile_small")
    assert from_search_space(to_search_space(space)) == space.choices
    mutable = to_mutable(space)
    assert from_mutable(mutable) == space.choices
    row = space.encode(mutable.freeze(mutable.random()))
    assert len(row) == len(space.choices)


def test_search_space_json_is_read() -> None:
    document = {
        "op": {"_type": "choice", "_value": ["conv", "skip"]},
        "depth": {"_type": "randint", "_value": [2, 5]},
        "width": {"_type": "quniform", "_value": [0.25, 1.0, 0.25]},
    }
    assert from_search_space(document) == (
        Choice("op", ("conv", "skip")),
        Choice("depth", (2, 3, 4)),
        Choice("width", (0.25, 0.5, 0.75, 1.0)),
    )


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"_type": "uniform", "_value": [0, 1]}, "is continuous.*Give it a step"),
        ({"_type": "choice", "_value": [{"_name": "nested"}]}, "is no choice"),
        ({"_type": "quniform", "_value": [0, 1, 0]}, "step above 0"),
        ({"_type": "chioce", "_value": [1]}, "there is no kind 'chioce'"),
        ([1, 2], "must have the keys _type and _value"),
    ],
)
def test_what_is_no_choice_is_refused(entry: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        from_search_space({"x": entry})
