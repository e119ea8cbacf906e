"""What is said before a search: a witness, or exactly why there is none."""

from __future__ import annotations

import logging
import re

import pytest

from nas.errors import InfeasibleError
from nas.search import Problem, UpperLimit, check_feasible
from nas.search.decision import decide
from nas.search.feasibility import _percent
from nas.search.problem import number
from predictors import compile_cost
from tests.nas.search.toys import ByKernel, costs_of, problem_of, tiny_space


def test_without_limits_any_architecture_is_a_witness() -> None:
    witness = check_feasible(problem_of("mobile_small"))
    assert witness.feasible


@pytest.mark.parametrize("name", ["mobile_small", "ofa_mobilenet_v3", "spos_shufflenet_v2"])
@pytest.mark.parametrize("metric", ["macs", "price_ms", "peak_memory_bytes"])
def test_a_tight_limit_is_answered_with_a_witness(name: str, metric: str) -> None:
    smallest = costs_of(name)[metric].minimum().value
    problem = problem_of(name, **{metric: smallest * 1.0001})
    witness = check_feasible(problem)
    assert witness.feasible
    row = problem.space.encode(witness.architecture)
    assert problem.feasible(row[None])[0]
    assert (problem.space.canonical(row[None])[0] == row).all()


def test_a_limit_below_the_minimum_is_impossible_with_the_exact_minimum() -> None:
    problem = problem_of("ofa_mobilenet_v3", macs=40e6, peak_memory_bytes=2e6)
    with pytest.raises(InfeasibleError) as caught:
        check_feasible(problem)
    assert caught.value.exit_code == 3
    text = str(caught.value)
    assert "meets the limit on macs." in text
    assert "macs <= 40,000,000: the smallest reachable is 41,476,224" in text
    assert "peak_memory_bytes <= 2,000,000: the smallest reachable is 1,048,576" in text
    assert "Raise macs to at least 41,476,224" in text


def test_all_limits_below_their_minimum_are_named() -> None:
    with pytest.raises(InfeasibleError, match=r"the limit on macs or peak_memory_bytes\."):
        check_feasible(problem_of("mobile_small", macs=1.0, peak_memory_bytes=1.0))


def test_limits_that_clash_are_impossible_together() -> None:
    costs = costs_of("ofa_mobilenet_v3")
    macs = costs["macs"].minimum().value * 1.5
    slimness = costs["slimness"].minimum().value * 1.5
    problem = problem_of("ofa_mobilenet_v3", price_ms=40.0, macs=macs, slimness=slimness)
    with pytest.raises(InfeasibleError) as caught:
        check_feasible(problem)
    text = str(caught.value)
    assert "macs and slimness clash" in text
    for metric in ("price_ms", "macs", "slimness"):
        line = f"{metric} <= {number(problem.costs[metric].minimum().value)}"
        assert re.search(rf"  {metric} <= [\d,.]+: the smallest reachable is [\d,.]+", text), line
    assert "The closest architecture found has" in text
    share = float(re.search(r"raised together by at least ([\d.]+)%", text)[1]) / 100
    limits = {"macs": macs, "slimness": slimness}
    less = {m: value * (1 + share * 0.99) for m, value in limits.items()}
    assert decide(problem_of("ofa_mobilenet_v3", **less)).impossible
    more = {m: value * (1 + share * 1.05) for m, value in limits.items()}
    assert decide(problem_of("ofa_mobilenet_v3", **more)).feasible


def test_a_maximum_that_clashes_with_a_sum_is_kept() -> None:
    space = tiny_space()
    memory = compile_cost(space, ByKernel(((1, 1.0), (3, 2.0), (5, 9.0)), "bytes", "max"))
    other = compile_cost(space, ByKernel(((1, 7.0), (3, 5.0), (5, 1.0)), "price"))
    problem = Problem(
        space,
        costs={"bytes": memory, "price": other},
        limits=(UpperLimit("bytes", 4.0), UpperLimit("price", 10.0)),
    )
    with pytest.raises(
        InfeasibleError, match=r"price would have to be raised by at least 49\.9%, keeping b"
    ):
        check_feasible(problem)


def test_two_maxima_that_clash() -> None:
    space = tiny_space()
    one = compile_cost(space, ByKernel(((1, 1.0), (3, 5.0), (5, 9.0)), "one", "max"))
    other = compile_cost(space, ByKernel(((1, 9.0), (3, 5.0), (5, 1.0)), "other", "max"))
    limits = (UpperLimit("one", 4.0), UpperLimit("other", 4.0))
    problem = Problem(space, costs={"one": one, "other": other}, limits=limits)
    with pytest.raises(InfeasibleError, match=r"one and other clash") as caught:
        check_feasible(problem)
    assert "Raise one or other, or choose" in str(caught.value)
    assert "by at least" not in str(caught.value)


def test_an_open_question_is_logged_and_the_closest_returned(
    caplog: pytest.LogCaptureFixture,
) -> None:
    space = tiny_space(choices=4, kernels=(1, 3))
    one = compile_cost(space, ByKernel(((1, 0.0), (3, 1.0)), "one"))
    other = compile_cost(space, ByKernel(((1, 1.0), (3, 0.0)), "other"))
    limits = (UpperLimit("one", 1.9), UpperLimit("other", 2.9))
    problem = Problem(space, costs={"one": one, "other": other}, limits=limits)
    with caplog.at_level(logging.WARNING):
        witness = check_feasible(problem, nodes=0)
    assert not witness.feasible
    assert "none is proven impossible" in caplog.text
    with pytest.raises(InfeasibleError, match="one and other clash"):
        check_feasible(problem)


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.08349, "8.34%"), (0.5, "50%"), (1.239, "123%"), (0.0001239, "0.0123%"), (0.0, "a trace")],
)
def test_lower_bounds_are_rounded_down(share: float, text: str) -> None:
    assert _percent(share) == text
