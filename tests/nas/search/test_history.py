"""The history: grows, knows what was seen, and does not depend on the order of arrival."""

from __future__ import annotations

import numpy as np
import pytest

from nas.search import History, Objective, Problem, Proposals
from tests.nas.search.toys import costs_of, problem_of, score_of, space_of


def filled(history: History, rounds: int = 4, size: int = 30) -> History:
    space, rng = history.problem.space, np.random.default_rng(7)
    for round in range(rounds):
        rows = space.unique(space.sample(size, rng))
        rows = rows[history.fresh(space.keys(rows))]
        history.extend(round, rows, score_of("mobile_small")(rows)[:, None])
    return history


def test_it_keeps_every_round() -> None:
    history = filled(History(problem_of("mobile_small", macs=4e6)))
    problem, rows = history.problem, history.population
    assert len(history) == len(rows) == len(history.values) == history.proposed > 100
    assert np.unique(history.rounds).tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(history.keys, problem.space.keys(rows))
    np.testing.assert_array_equal(history.values[:, 0], score_of("mobile_small")(rows))
    np.testing.assert_array_equal(history.feasible, problem.feasible(rows))


def test_the_order_of_arrival_within_a_round_does_not_matter() -> None:
    problem = problem_of("mobile_small")
    rows = problem.space.unique(problem.space.sample(50, np.random.default_rng(0)))
    values = score_of("mobile_small")(rows)[:, None]
    one, other = History(problem), History(problem)
    one.extend(0, rows, values)
    other.extend(0, rows[::-1], values[::-1])
    np.testing.assert_array_equal(one.population, other.population)
    np.testing.assert_array_equal(one.values, other.values)


def test_fresh_drops_the_seen_the_failed_and_repetitions() -> None:
    problem = problem_of("mobile_small")
    rows = problem.space.unique(problem.space.sample(40, np.random.default_rng(0)))
    keys = problem.space.keys(rows)
    history = History(problem)
    history.extend(0, rows[:10], np.zeros((10, 1)), failed=keys[10:12].tolist())
    assert (len(history), history.proposed) == (10, 12)
    asked = np.concatenate([keys[5:20], keys[15:25]])
    fresh = history.fresh(asked, besides=[int(keys[12])])
    assert asked[fresh].tolist() == keys[13:25].tolist()


@pytest.mark.parametrize("count", [0, 1, 7, 1000])
@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_top_is_the_sorted_feasible_part(count: int, direction: str) -> None:
    problem = Problem(
        space_of("mobile_small"),
        objectives=(Objective("accuracy", direction),),  # type: ignore[arg-type]
        costs=costs_of("mobile_small"),
        limits=problem_of("mobile_small", macs=4e6).limits,
    )
    history = filled(History(problem))
    sign = 1 if direction == "maximize" else -1
    expected = sorted(
        np.flatnonzero(history.feasible).tolist(), key=lambda i: -sign * history.values[i, 0]
    )
    assert history.top(count).tolist() == expected[:count]


def test_top_since_a_round_and_the_best_of_each_round() -> None:
    history = filled(History(problem_of("mobile_small", macs=4e6)))
    late = history.top(5, since=2)
    assert (history.rounds[late] >= 2).all()
    assert (
        history.values[late[0], 0]
        == history.values[history.feasible & (history.rounds >= 2), 0].max()
    )
    best = history.best_by_round(6)
    for round in range(4):
        inside = history.feasible & (history.rounds == round)
        assert best[round] == history.values[inside, 0].max()
    assert best[4:].tolist() == [-np.inf, -np.inf]


def test_ties_go_to_the_earlier_one() -> None:
    problem = problem_of("mobile_small")
    rows = problem.space.unique(problem.space.sample(20, np.random.default_rng(0)))
    history = History(problem)
    history.extend(0, rows, np.zeros((len(rows), 1)))
    assert history.top(5).tolist() == [0, 1, 2, 3, 4]


def test_proposals_join_and_take() -> None:
    rows = np.arange(8, dtype=np.int16).reshape(4, 2)
    first = Proposals(rows[:1], ["random"], [()])
    both = first.join(Proposals(rows[1:], ["mutation"] * 3, [(1,), (2,), (3,)]))
    assert (len(both), list(both.operators)) == (4, ["random", *["mutation"] * 3])
    taken = both.take([3, 0])
    assert taken.population.tolist() == [[6, 7], [0, 1]]
    assert list(taken.parents) == [(3,), ()]
    assert len(Proposals.none(2)) == 0


def test_top_asked_after_every_round_is_that_of_the_whole() -> None:
    problem = problem_of("mobile_small", macs=4e6)
    whole, grown = filled(History(problem)), History(problem)
    for round in range(4):
        of_round = whole.rounds == round
        grown.extend(round, whole.population[of_round], np.round(whole.values[of_round], 1))
        once = History(problem)
        for earlier in range(round + 1):
            same = grown.rounds == earlier
            once.extend(earlier, grown.population[same], grown.values[same])
        for since in (0, 0, 2, 1, 1, 0):
            np.testing.assert_array_equal(grown.top(9, since=since), once.top(9, since=since))
