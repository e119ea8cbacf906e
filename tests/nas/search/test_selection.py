"""The best of an archive."""

from __future__ import annotations

import dataclasses

import numpy as np

from nas.archive import Evaluated, Metric
from nas.search import Objective, Problem, best, front, value_of
from tests.nas.search.toys import DRAWN, costs_of, problem_of, score_of, space_of


def rows_of(problem: Problem, values: list[float] | None = None) -> list[Evaluated]:
    space = problem.space
    population = space.unique(space.sample(40, np.random.default_rng(0)))
    if values is None:
        values = score_of(space.name)(population).tolist()
    return [
        Evaluated(id, space.decode(row), {"accuracy": Metric(value, DRAWN)}, order)
        for order, (id, row, value) in enumerate(
            zip(space.ids(population), population, values, strict=False), start=1
        )
    ]


def test_it_returns_the_best_feasible_ones_in_order() -> None:
    problem = problem_of("mobile_small", macs=4e6)
    rows = rows_of(problem)
    macs = problem.costs["macs"]
    feasible = [row for row in rows if macs.of(row.architecture) <= 4e6]
    expected = sorted(feasible, key=lambda row: -row.metrics["accuracy"].value)
    assert 5 < len(feasible) < len(rows)
    assert best(problem, rows, top=5) == expected[:5]
    assert best(problem, rows, top=1000) == expected
    assert best(problem, rows[::-1]) == expected[:1]


def test_ties_go_to_the_cheaper_one() -> None:
    problem = problem_of("mobile_small", price_ms=6.0)
    rows = rows_of(problem, [0.5] * 40)
    prices = [problem.costs["price_ms"].of(row.architecture) for row in best(problem, rows, top=9)]
    assert prices == sorted(prices)
    assert len(prices) == 9


def test_a_minimised_objective_that_is_a_cost_needs_no_metric() -> None:
    problem = Problem(
        space_of("mobile_small"),
        objectives=(Objective("macs", "minimize"),),
        costs=costs_of("mobile_small"),
    )
    rows = [Evaluated(row.id, row.architecture, {}, row.order) for row in rows_of(problem)]
    found = best(problem, rows, top=3)
    macs = sorted(problem.costs["macs"].of(row.architecture) for row in rows)
    assert [problem.costs["macs"].of(row.architecture) for row in found] == macs[:3]


def test_rows_without_the_objective_are_left_out() -> None:
    problem = problem_of("mobile_small")
    rows = rows_of(problem)
    bare = Evaluated("0" * 16, rows[0].architecture, {}, 99)
    assert bare not in best(problem, [bare, *rows], top=100)
    assert best(problem, [bare]) == []
    assert best(problem, []) == []


def test_the_front_is_what_none_beats_in_all_objectives_within_the_limits() -> None:
    limited = problem_of("mobile_small", macs=6e6)
    objectives = (Objective(), Objective("macs", "minimize"), Objective("price_ms", "minimize"))
    problem = dataclasses.replace(limited, objectives=objectives)
    rows = rows_of(problem)
    within = [
        row for row in rows if problem.feasible(problem.space.encode(row.architecture)[None])
    ]

    def point(row: Evaluated) -> tuple[float, float, float]:
        costs = (-value_of(problem, row, name) for name in ("macs", "price_ms"))
        return (row.metrics["accuracy"].value, *costs)  # type: ignore[return-value]

    expected = [
        row
        for row in within
        if not any(
            all(a >= b for a, b in zip(point(other), point(row), strict=True))
            and point(other) != point(row)
            for other in within
        )
    ]
    found = front(problem, rows)
    assert {row.id for row in found} == {row.id for row in expected}
    assert 1 < len(found) < len(within) < len(rows)
    scores = [row.metrics["accuracy"].value for row in found]
    assert scores == sorted(scores, reverse=True)
    twins = [*found, dataclasses.replace(found[0], order=99)]
    assert front(problem, twins) == found
    assert front(problem, []) == []
