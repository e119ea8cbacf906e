"""The exact answer to "is there any architecture within all limits?"."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.search import Problem, UpperLimit
from nas.search.decision import decide
from predictors import compile_cost
from tests.nas.search.toys import ByKernel, costs_of, problem_of, tiny_space
from tests.random_spaces import every_row, prices, random_spaces

LIMITS = st.lists(
    st.tuples(st.sampled_from(["sum", "max"]), st.integers(1, 40)), min_size=1, max_size=3
)


@settings(max_examples=150)
@given(st.data())
def test_it_agrees_with_enumeration_for_sums_and_maxima(data: st.DataObject) -> None:
    space = data.draw(random_spaces())
    costs, limits = {}, []
    for number, (reduce, value) in enumerate(data.draw(LIMITS)):
        metric = f"cost_{number}"
        costs[metric] = compile_cost(space, data.draw(prices(reduce)))
        limits.append(UpperLimit(metric, float(value)))
    problem = Problem(space, costs=costs, limits=tuple(limits))
    decision = decide(problem)
    exists = bool(problem.feasible(every_row(space)).any())
    assert decision.feasible == exists
    assert decision.impossible == (not exists)
    if exists:
        assert problem.feasible(decision.row[None])[0]


def test_a_gap_that_one_bound_leaves_open_is_closed_by_branching() -> None:
    space = tiny_space(choices=4, kernels=(1, 3))
    one = compile_cost(space, ByKernel(((1, 0.0), (3, 1.0)), metric="one"))
    other = compile_cost(space, ByKernel(((1, 1.0), (3, 0.0)), metric="other"))
    costs = {"one": one, "other": other}
    clashing = Problem(
        space, costs=costs, limits=(UpperLimit("one", 1.9), UpperLimit("other", 2.9))
    )
    assert not clashing.feasible(every_row(space)).any()
    open_question = decide(clashing, nodes=0)
    assert not open_question.feasible
    assert not open_question.impossible
    assert decide(clashing).impossible
    fitting = Problem(
        space, costs=costs, limits=(UpperLimit("one", 2.0), UpperLimit("other", 2.0))
    )
    assert decide(fitting, nodes=0).feasible


@pytest.mark.parametrize("name", ["mobile_small", "ofa_mobilenet_v3", "spos_shufflenet_v2"])
def test_large_spaces_are_decided_close_to_the_edge(name: str) -> None:
    costs = costs_of(name)
    limits = {metric: costs[metric].minimum().value * 1.2 for metric in ("macs", "slimness")}
    bound = decide(problem_of(name, **limits), nodes=0).bound
    assert bound > 1
    within = problem_of(name, **{m: value * bound * 1.03 for m, value in limits.items()})
    decision = decide(within)
    assert decision.feasible
    assert within.feasible(decision.row[None])[0]
    beyond = problem_of(name, **{m: value * bound * 0.999 for m, value in limits.items()})
    assert decide(beyond).impossible


def test_a_limit_on_a_maximum_filters_exactly() -> None:
    costs = costs_of("mobile_small")
    peak = costs["peak_memory_bytes"].minimum().value
    rows = problem_of("mobile_small").space.sample(20_000, np.random.default_rng(0))
    least = costs["macs"](rows)[costs["peak_memory_bytes"](rows) <= peak]
    problem = problem_of("mobile_small", peak_memory_bytes=peak, macs=float(least.min()))
    assert decide(problem).feasible
