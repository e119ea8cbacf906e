"""Random feasible architectures: rejected, listed, counted or walked to; always bounded."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.search import History, Problem, UpperLimit, check_feasible, draw_feasible
from nas.search.decision import decide
from nas.search.sampling import draw_within
from predictors import compile_cost
from tests.nas.search.toys import ByKernel, costs_of, problem_of, tiny_space
from tests.random_spaces import every_row, prices, random_spaces


def history_of(problem: Problem) -> History:
    witness = check_feasible(problem)
    return History(problem, starts=problem.space.encode(witness.architecture)[None])


def checked(history: History, proposals: object) -> np.ndarray:
    """Return the population after checking that it is feasible, new and without repetition."""
    problem, rows = history.problem, proposals.population  # type: ignore[attr-defined]
    keys = problem.space.keys(rows)
    assert problem.feasible(rows).all()
    assert len(history.fresh(keys)) == len(rows)
    np.testing.assert_array_equal(problem.space.canonical(rows), rows)
    return rows


def test_a_loose_limit_is_met_by_uniform_draws() -> None:
    history = history_of(problem_of("mobile_small", macs=5e6))
    proposals = draw_feasible(history, 200, rng=np.random.default_rng(0))
    assert len(checked(history, proposals)) == 200
    assert set(proposals.operators) == {"random"}


@pytest.mark.parametrize(
    ("name", "slack"),
    [("mobile_small", 1.15), ("ofa_mobilenet_v3", 1.15), ("spos_shufflenet_v2", 1.01)],
)
def test_a_tight_limit_is_met_by_counted_draws(name: str, slack: float) -> None:
    smallest = costs_of(name)["macs"].minimum().value
    history = history_of(problem_of(name, macs=smallest * slack))
    proposals = draw_feasible(history, 20, rng=np.random.default_rng(0))
    rows = checked(history, proposals)
    assert len(rows) == 20
    assert set(proposals.operators) == {"random"}
    assert (rows != rows[0]).any(axis=0).sum() >= 5  # they differ in many choices


def test_limits_that_clash_are_met_by_walks_from_the_witness() -> None:
    costs = costs_of("ofa_mobilenet_v3")
    smallest = {m: costs[m].minimum().value * 1.2 for m in ("macs", "slimness")}
    bound = decide(problem_of("ofa_mobilenet_v3", **smallest), nodes=0).bound
    limits = {m: value * bound * 1.005 for m, value in smallest.items()}
    history = history_of(problem_of("ofa_mobilenet_v3", **limits))
    proposals = draw_feasible(history, 20, rng=np.random.default_rng(0))
    assert len(checked(history, proposals)) == 20
    assert "walk" in proposals.operators


def test_draws_within_limits_are_feasible_and_repeatable() -> None:
    for macs in (4e6, 1.1e6):
        problem = problem_of("mobile_small", macs=macs)
        first, second = (draw_within(problem, 50, np.random.default_rng(1)) for _ in range(2))
        assert len(first) == 50
        assert problem.feasible(first).all()
        np.testing.assert_array_equal(first, second)


def test_the_same_generator_gives_the_same_rows() -> None:
    history = history_of(problem_of("mobile_small", macs=1.1e6))
    first, second = (draw_feasible(history, 9, rng=np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first.population, second.population)


def test_a_small_space_is_exhausted_to_the_last_architecture() -> None:
    problem = Problem(tiny_space(choices=5))
    history = history_of(problem)
    rng = np.random.default_rng(0)
    for _ in range(3):
        rows = checked(history, draw_feasible(history, 100, rng=rng))
        history.extend(0, rows, np.zeros((len(rows), 1)))
    assert history.proposed == problem.space.size == 3**5
    assert len(draw_feasible(history, 5, rng=rng)) == 0


@settings(max_examples=60)
@given(st.data())
def test_every_feasible_architecture_of_a_small_space_is_found(data: st.DataObject) -> None:
    space = data.draw(random_spaces())
    cost = compile_cost(space, data.draw(prices(data.draw(st.sampled_from(["sum", "max"])))))
    limit = UpperLimit("price", float(data.draw(st.integers(1, 40))))
    problem = Problem(space, costs={"price": cost}, limits=(limit,))
    history = History(problem)
    found = checked(history, draw_feasible(history, 1000, rng=np.random.default_rng(0)))
    rows = every_row(space)
    expected = set(space.keys(rows[problem.feasible(rows)]).tolist())
    assert set(space.keys(found).tolist()) == expected


def test_architectures_held_back_are_not_drawn() -> None:
    problem = Problem(tiny_space(choices=2))
    keys = problem.space.keys(every_row(problem.space)).tolist()
    proposals = draw_feasible(History(problem), 9, rng=np.random.default_rng(0), besides=keys[:5])
    assert sorted(problem.space.keys(proposals.population).tolist()) == sorted(keys[5:])


def test_drawing_ends_when_the_feasible_part_of_a_large_space_is_used_up() -> None:
    space = tiny_space(choices=20)
    cost = compile_cost(space, ByKernel(((1, 0.0), (3, 1.0), (5, 1.0))))
    problem = Problem(space, costs={"price": cost}, limits=(UpperLimit("price", 1.0),))
    history = history_of(problem)
    rng = np.random.default_rng(0)
    for round in range(10):
        rows = checked(history, draw_feasible(history, 20, rng=rng))
        history.extend(round, rows, np.zeros((len(rows), 1)))
    assert history.proposed == 1 + 20 * 2  # all with at most one larger kernel


def test_without_any_feasible_architecture_it_ends_with_none() -> None:
    space = tiny_space(choices=20)
    cost = compile_cost(space, ByKernel(((1, 1.0), (3, 2.0), (5, 3.0))))
    problem = Problem(space, costs={"price": cost}, limits=(UpperLimit("price", 19.0),))
    assert len(draw_feasible(History(problem), 10, rng=np.random.default_rng(0))) == 0
