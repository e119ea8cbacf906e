"""Predictor-assisted search: what the process predicts, and that it helps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.errors import ConfigError
from nas.search import AssistedSearch, History, RandomSearch, Searcher, search
from nas.search.surrogate import fit_choices, normal_scores
from tests.nas.search.toys import population_scorer, problem_of, score_of, space_of


@given(st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=40))
def test_scores_keep_the_order_and_ties(values: list[float]) -> None:
    array = np.array(values)
    scores = normal_scores(array)
    order, kept = (np.sign(x[:, None] - x) for x in (array, scores))
    np.testing.assert_array_equal(order, kept)
    assert abs(np.mean(scores)) < 0.5


def test_it_predicts_what_it_has_not_seen_and_knows_what_it_has() -> None:
    space = space_of("spos_shufflenet_v2")
    rows = space.sample(300, np.random.default_rng(0))
    values = score_of(space.name)(rows)
    fitted = fit_choices(space, rows[:200], values[:200], 0)
    mean, spread = fitted.predict(rows)
    assert np.corrcoef(mean[200:], values[200:])[0, 1] > 0.8
    assert spread[:200].max() < spread[200:].min()
    again, _ = fit_choices(space, rows[:200], 1024 * values[:200], 0).predict(rows)
    np.testing.assert_allclose(again, mean)


def found(searcher: Searcher, seed: int) -> float:
    problem = problem_of("mobile_small", macs=4e6)
    score = population_scorer(score_of("mobile_small"))
    history = search(problem, searcher, score, None, evaluations=120, batch=10, seed=seed).history
    assert history.feasible.all()
    return float(history.values.max())


def test_after_few_evaluations_it_is_ahead_of_random_search() -> None:
    searcher = AssistedSearch(candidates=300)
    assisted, random = (
        [found(used, seed) for seed in range(8)] for used in (searcher, RandomSearch())
    )
    assert np.median(assisted) > np.median(random) + 2


def test_any_fit_can_take_the_place_of_the_process() -> None:
    problem = problem_of("mobile_small")
    asked: list[tuple[int, int]] = []

    class Fitted:
        def predict(self, population: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return -population.sum(axis=1).astype(float), np.zeros(len(population))

    def fit(space: object, population: np.ndarray, values: np.ndarray, seed: int) -> Fitted:
        asked.append((len(population), len(values)))
        return Fitted()

    history = History(problem)
    searcher = AssistedSearch(first=20, candidates=100, most=25, fit=fit)
    rows = RandomSearch().propose(history, 40, round=0, rng=np.random.default_rng(0)).population
    history.extend(0, problem.space.canonical(rows), np.arange(40.0)[:, None])
    proposals = searcher.propose(history, 10, round=1, rng=np.random.default_rng(0))
    assert asked == [(25, 25)]
    assert proposals.population.sum(axis=1).mean() < rows.sum(axis=1).mean() - 3


def test_wrong_options_are_refused() -> None:
    with pytest.raises(ConfigError, match="assisted: candidates = 0, must be at least 1"):
        AssistedSearch(candidates=0)
