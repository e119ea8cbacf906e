"""Predictor-assisted search: what the process predicts, and that it helps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.errors import ConfigError
from nas.search import AssistedSearch, History, RandomSearch, Searcher, search
from nas.search.acquisition import choose_batch, log_improvement
from nas.search.surrogate import Prediction, fit_networks, normal_scores
from search_spaces import get_space
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
    predicted = fit_networks(space, rows[:200], values[:200], 0).predict(rows)
    assert np.corrcoef(predicted.mean[200:], values[200:])[0, 1] > 0.8
    assert predicted.spread[:200].max() < predicted.spread[200:].min()
    again = fit_networks(space, rows[:200], 1024 * values[:200], 0).predict(rows)
    np.testing.assert_allclose(again.mean, predicted.mean)


def test_what_the_output_does_not_depend_on_changes_no_prediction() -> None:
    space = get_space("nasbench201")
    rows = space.sample(60, np.random.default_rng(0))
    fitted = fit_networks(space, rows, np.arange(60.0), 0)
    edges = {choice.name: "skip_connect" for choice in space.choices}
    dead = {**edges, "edge_0_1": "none", "edge_1_2": "none"}  # node 1 is zero whatever follows
    same = [space.encode({**dead, "edge_1_3": o}) for o in ("nor_conv_1x1", "nor_conv_3x3")]
    other = space.encode({**dead, "edge_2_3": "nor_conv_3x3"})
    mean = fitted.predict(np.array([*same, other])).mean
    assert mean[0] == mean[1] != mean[2]


def test_what_is_believed_makes_its_surroundings_surer_as_an_evaluation_does() -> None:
    space = space_of("spos_shufflenet_v2")
    rows = space.sample(120, np.random.default_rng(0))
    fitted = fit_networks(space, rows[:20], score_of(space.name)(rows[:20]), 0)
    before = fitted.predict(rows[20:])
    after = before.take(np.arange(100)).after(3).after(50)
    np.testing.assert_array_equal(after.mean, before.mean)
    joint = before.after(50).after(3)
    np.testing.assert_allclose(after.spread, joint.spread)
    assert (after.spread < before.spread).all()
    assert after.spread[[3, 50]].max() < after.spread[np.delete(np.arange(100), [3, 50])].min()


def test_expected_improvement_is_the_integral_and_keeps_the_order_far_below() -> None:
    draws = np.random.default_rng(0).normal(size=400_000)
    for mean, spread in ((0.0, 1.0), (-1.0, 0.5), (2.0, 0.1), (1.0, 3.0)):
        integral = np.maximum(mean + spread * draws - 0.3, 0.0).mean()
        given_ = log_improvement(np.array([mean]), np.array([spread]), 0.3)
        np.testing.assert_allclose(np.exp(given_), integral, rtol=0.05, atol=1e-5)
    means = np.linspace(-200.0, 3.0, 5000)
    values = log_improvement(means, np.ones(5000), 0.0)
    assert (np.diff(values) > 0).all()


def test_a_batch_does_not_guess_the_same_twice() -> None:
    class Twins(Prediction):
        def after(self, position: int) -> Prediction:
            spread = self.spread.copy()
            spread[position // 2 * 2 : position // 2 * 2 + 2] = 1e-3
            return Twins(self.mean, spread)

    mean, spread = np.array([1.0, 1.0, 0.9, 0.9, 5.0]), np.ones(5)
    allowed = np.arange(4)
    assert choose_batch(Prediction(mean, spread), allowed, 1.0, 2).tolist() == [0, 1]
    assert choose_batch(Twins(mean, spread), allowed, 1.0, 2).tolist() == [0, 2]
    assert len(choose_batch(Twins(mean, spread), allowed, 1.0, 9)) == 4


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
        def predict(self, population: np.ndarray) -> Prediction:
            return Prediction(-population.sum(axis=1).astype(float), np.ones(len(population)))

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
