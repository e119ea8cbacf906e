"""What every searcher must keep: limits, no repetition, purity, bounded time, an end."""

from __future__ import annotations

import numpy as np
import pytest

from nas.search import Evolution, History, Problem, RandomSearch, Searcher, check_feasible, search
from tests.nas.search.toys import (
    costs_of,
    population_scorer,
    problem_of,
    score_of,
    space_of,
    tiny_space,
)

SEARCHERS = [RandomSearch(), Evolution(), Evolution(parents=1, mutation_share=0.0)]


@pytest.fixture(params=SEARCHERS, ids=repr)
def searcher(request: pytest.FixtureRequest) -> Searcher:
    return request.param


def started(problem: Problem) -> History:
    witness = check_feasible(problem)
    return History(problem, starts=problem.space.encode(witness.architecture)[None])


@pytest.mark.parametrize(
    "limits",
    [
        {},
        {"macs": 4e6},
        {"macs": 4e6, "price_ms": 5.0, "peak_memory_bytes": 150_000},
        {"macs": 1_045_696 * 1.2},
    ],
    ids=str,
)
def test_it_proposes_new_feasible_architectures_only(
    searcher: Searcher, limits: dict[str, float]
) -> None:
    history = started(problem_of("mobile_small", **limits))
    space, score = history.problem.space, score_of("mobile_small")
    for round in range(5):
        proposals = searcher.propose(history, 20, round=round, rng=np.random.default_rng(round))
        rows = proposals.population
        assert 0 < len(rows) <= 20
        assert len(proposals.operators) == len(proposals.parents) == len(rows)
        assert history.problem.feasible(rows).all()
        assert len(history.fresh(space.keys(rows))) == len(rows)
        rows = space.canonical(rows)
        history.extend(round, rows, score(rows)[:, None])


def test_it_is_a_function_of_history_round_and_generator(searcher: Searcher) -> None:
    problem = problem_of("mobile_small", macs=4e6)
    score = population_scorer(score_of("mobile_small"))
    one, other = (
        search(problem, searcher, score, None, evaluations=80, batch=20, seed=1).history
        for _ in range(2)
    )
    for history in (one, other):
        searcher.propose(history, 5, round=9, rng=np.random.default_rng(5))  # leaves no trace
    first, second = (
        searcher.propose(history, 20, round=4, rng=np.random.default_rng(0))
        for history in (one, other)
    )
    np.testing.assert_array_equal(first.population, second.population)
    assert list(first.operators) == list(second.operators)
    assert list(first.parents) == list(second.parents)


def test_another_seed_gives_another_search(searcher: Searcher) -> None:
    problem, score = problem_of("mobile_small"), population_scorer(score_of("mobile_small"))
    one, other = (
        search(problem, searcher, score, None, evaluations=20, batch=20, seed=seed).history
        for seed in (0, 1)
    )
    assert set(one.keys.tolist()) != set(other.keys.tolist())


def test_it_exhausts_a_small_space_and_stops(searcher: Searcher) -> None:
    problem = Problem(tiny_space(choices=4))

    def flat(population: np.ndarray) -> dict[str, np.ndarray]:
        return {"accuracy": np.zeros(len(population))}

    score = population_scorer(score_of("mobile_small"))
    score = type(score)(flat, score.provenance)
    result = search(problem, searcher, score, None, evaluations=1000, batch=16, seed=0)
    assert result.stopped == "exhausted"
    assert len(result.history) == problem.space.size == 81


@pytest.mark.parametrize("name", ["mobile_small", "ofa_mobilenet_v3"])
def test_a_limit_a_hair_above_the_minimum_is_searched(searcher: Searcher, name: str) -> None:
    problem = problem_of(name, macs=costs_of(name)["macs"].minimum().value * 1.0001)
    score = population_scorer(score_of(name))
    result = search(problem, searcher, score, None, evaluations=50, batch=10, seed=0)
    assert 1 <= len(result.history) <= 50
    assert result.history.feasible.all()
    assert result.stopped == ("budget" if len(result.history) == 50 else "exhausted")


def test_an_evaluation_that_fails_everywhere_but_once_does_not_stop_it(
    searcher: Searcher,
) -> None:
    score = score_of("mobile_small")

    def mostly_nan(population: np.ndarray) -> dict[str, np.ndarray]:
        values = score(population)
        values[1:] = np.nan
        return {"accuracy": values}

    evaluate = type(population_scorer(score))(mostly_nan, population_scorer(score).provenance)
    result = search(
        problem_of("mobile_small"), searcher, evaluate, None, evaluations=60, batch=20, seed=0
    )
    assert len(result.history) == 3
    assert result.history.proposed == 60
    assert space_of("mobile_small").keys(result.history.population).tolist() == (
        result.history.keys.tolist()
    )
