"""Problems: limits over populations, ranges, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from nas.errors import ConfigError
from nas.search import Objective, Problem, UpperLimit, ranges
from nas.search.problem import number
from predictors import Macs, compile_cost
from tests.nas.search.toys import HashedPrice, costs_of, problem_of, space_of, tiny_space


def test_feasible_and_violation_agree_with_one_by_one() -> None:
    problem = problem_of("mobile_small", macs=4e6, price_ms=8.0, peak_memory_bytes=150_000)
    population = problem.space.sample(200, np.random.default_rng(0))
    feasible, violation = problem.feasible(population), problem.violation(population)
    assert 0 < feasible.sum() < 200
    for row, ok, excess in zip(population, feasible, violation, strict=True):
        architecture = problem.space.decode(row)
        excesses = [
            max(problem.costs[limit.metric].of(architecture) / limit.value - 1, 0)
            for limit in problem.limits
        ]
        assert ok == (sum(excesses) == 0)
        assert excess == pytest.approx(sum(excesses), abs=1e-8)


def test_without_limits_everything_is_feasible() -> None:
    problem = problem_of("mobile_small")
    population = problem.space.sample(10, np.random.default_rng(0))
    assert problem.feasible(population).all()
    assert not problem.violation(population).any()


@pytest.mark.parametrize("end", ["minimum", "maximum"])
def test_a_limit_on_the_exact_extreme_is_met_by_it_in_spite_of_rounding(end: str) -> None:
    space = space_of("mobile_small")
    for seed in range(20):
        cost = compile_cost(space, HashedPrice("price_ms", seed=seed))
        extreme = getattr(cost, end)()
        limit = UpperLimit("price_ms", extreme.value)
        problem = Problem(space, costs={"price_ms": cost}, limits=(limit,))
        assert problem.feasible(space.encode(extreme.architecture)[None]).all()


def test_a_limit_just_below_the_minimum_is_not_met() -> None:
    smallest = costs_of("mobile_small")["macs"].minimum()
    problem = problem_of("mobile_small", macs=smallest.value * (1 - 1e-6))
    assert not problem.feasible(problem.space.encode(smallest.architecture)[None]).any()


def test_ranges_are_the_exact_extremes_of_every_cost() -> None:
    problem = problem_of("mobile_small", macs=4e6)
    found = {item.metric: item for item in ranges(problem)}
    assert list(found) == list(problem.costs)
    for metric, cost in problem.costs.items():
        assert found[metric].smallest == cost.minimum()
        assert found[metric].largest == cost.maximum()
        assert found[metric].provenance == cost.provenance


def test_gains_turn_minimised_objectives_round() -> None:
    objectives = (Objective("accuracy"), Objective("macs", "minimize"))
    problem = Problem(space_of("mobile_small"), objectives=objectives)
    assert problem.gains(np.array([[0.5, 10.0]])).tolist() == [[0.5, -10.0]]


def test_an_unknown_limit_names_the_nearest_cost() -> None:
    with pytest.raises(ConfigError, match=r"mac.*no such cost.*Did you mean 'macs'"):
        problem_of("mobile_small", mac=1.0)


def test_a_cost_of_another_space_is_refused() -> None:
    other = compile_cost(tiny_space(), Macs())
    with pytest.raises(ConfigError, match=r"cost macs was compiled for .*tiny"):
        Problem(space_of("mobile_small"), costs={"macs": other})


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_a_limit_must_be_a_number_above_zero(value: float) -> None:
    with pytest.raises(ConfigError, match="must be a finite number above zero"):
        UpperLimit("macs", value)


def test_objectives_are_checked() -> None:
    with pytest.raises(ConfigError, match="direction 'up' is not allowed"):
        Objective("accuracy", "up")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="at least one"):
        Problem(space_of("mobile_small"), objectives=())
    with pytest.raises(ConfigError, match="each metric once"):
        Problem(space_of("mobile_small"), objectives=(Objective(), Objective()))


def test_limits_and_numbers_read_well() -> None:
    assert str(UpperLimit("macs", 60e6, "60M")) == 'macs <= 60,000,000 ("60M")'
    assert str(UpperLimit("latency_ms", 2.5)) == "latency_ms <= 2.5"
    assert number(121278976.0) == "121,278,976"
