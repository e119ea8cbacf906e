"""What sets the searchers apart: whose children are made, and what they find."""

from __future__ import annotations

import numpy as np
import pytest

from nas.errors import ConfigError
from nas.search import (
    NSGA2,
    NSGA3,
    AgingEvolution,
    EvaluatePopulation,
    History,
    Objective,
    Problem,
    RandomSearch,
    Searcher,
    UpperLimit,
    ofa_evolution,
    pareto_front,
    search,
    spos_evolution,
)
from nas.search.breeding import Breeding, repaired, uniformly
from tests.nas.search.toys import (
    DRAWN,
    costs_of,
    population_scorer,
    problem_of,
    score_of,
    space_of,
)


def grown(problem: Problem, rounds: int, size: int = 30) -> History:
    history = History(problem)
    for round in range(rounds):
        rows = RandomSearch().propose(history, size, round=round, rng=np.random.default_rng(round))
        values = [
            problem.costs.get(o.metric, score_of(problem.space.name)) for o in problem.objectives
        ]
        columns = [value(rows.population) for value in values]
        history.extend(round, problem.space.canonical(rows.population), np.stack(columns, axis=1))
    return history


def parents_of(searcher: Searcher, history: History, round: int) -> set[int]:
    proposals = searcher.propose(history, 60, round=round, rng=np.random.default_rng(0))
    return {parent for parents in proposals.parents for parent in parents}


def test_aging_breeds_from_the_youngest_however_good_the_old_are() -> None:
    history = grown(problem_of("mobile_small"), 4)
    searcher = AgingEvolution(population=30, tournament=8)
    youngest = set(history.keys[-30:].tolist())
    chosen = parents_of(searcher, history, 4)
    assert chosen < youngest
    gains = dict(zip(history.keys.tolist(), history.values[:, 0].tolist(), strict=True))
    assert np.mean([gains[key] for key in chosen]) > np.mean([gains[key] for key in youngest])


def test_the_published_evolutions_have_their_published_parents() -> None:
    history = grown(problem_of("mobile_small"), 4)
    for searcher, parents in ((spos_evolution(), 10), (ofa_evolution(100), 25)):
        best = set(history.keys[history.top(parents)].tolist())
        assert parents_of(searcher, history, 4) <= best
        assert len(parents_of(searcher, history, 4)) > parents // 2


def two_objectives(**limits: float) -> Problem:
    uppers = tuple(UpperLimit(metric, value) for metric, value in limits.items())
    objectives = (Objective(), Objective("macs", "minimize"))
    costs = costs_of("mobile_small")
    return Problem(space_of("mobile_small"), objectives=objectives, costs=costs, limits=uppers)


@pytest.mark.parametrize("searcher", [NSGA2(population=20), NSGA3(population=20)], ids=repr)
def test_nsga_breeds_from_the_fronts_of_all_rounds(searcher: Searcher) -> None:
    history = grown(two_objectives(), 3)
    front = pareto_front(history.values, ["maximize", "minimize"])
    assert 3 < front.sum() <= 20
    best = set(history.keys[front].tolist())
    chosen = parents_of(searcher, history, 3)
    assert len(chosen) <= 20
    assert len(chosen & best) > 0.6 * len(best)


@pytest.mark.parametrize("searcher", [NSGA2(), NSGA3()], ids=repr)
def test_nsga_covers_more_than_random_search(searcher: Searcher) -> None:
    problem = two_objectives(macs=8e6)

    def covered(used: Searcher, seed: int) -> float:
        score = population_scorer(score_of("mobile_small"))
        values = search(
            problem, used, score, None, evaluations=1000, batch=50, seed=seed
        ).history.values
        ends = np.linspace(2e6, 8e6, 13)
        return float(np.mean([values[values[:, 1] <= end, 0].max(initial=0) for end in ends]))

    better = [covered(searcher, seed) > covered(RandomSearch(), seed) + 1 for seed in range(5)]
    assert all(better)


def test_a_mended_child_is_within_the_limits_and_keeps_much_of_itself() -> None:
    macs = costs_of("ofa_mobilenet_v3")["macs"]
    rows = macs.space.sample(200, np.random.default_rng(0))
    problem = problem_of("ofa_mobilenet_v3", macs=float(np.quantile(macs(rows), 0.1)))
    within = np.flatnonzero(problem.feasible(rows))
    assert len(within) < 50
    mended, positions = repaired(problem, rows, within, np.random.default_rng(1))
    assert len(set(positions.tolist()) | set(within.tolist())) == 200
    assert problem.feasible(mended).all()
    np.testing.assert_array_equal(mended[within], rows[within])
    assert (mended == rows)[positions].mean() > 0.5


def test_children_of_a_tight_limit_are_mended_and_say_so() -> None:
    smallest = costs_of("mobile_small")["macs"].minimum().value
    history = grown(problem_of("mobile_small", macs=smallest * 1.3), 1)
    children = Breeding(0.3).generation(
        history, uniformly(np.arange(30)), 50, np.random.default_rng(0)
    )
    assert len(children) == 50
    assert {"mutation, repaired", "crossover"} <= set(children.operators)
    assert history.problem.feasible(children.population).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AgingEvolution(population=0), "aging: population = 0, must be at least 1"),
        (lambda: AgingEvolution(tournament=0), "aging: tournament = 0, must be at least 1"),
        (lambda: NSGA2(population=0), "nsga2: population = 0, must be at least 1"),
        (lambda: NSGA3(mutation_probability=2.0), "mutation_probability = 2.0"),
        (lambda: NSGA2(mutation_share=1.5), "mutation_share = 1.5"),
    ],
)
def test_wrong_options_are_refused(make: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()  # type: ignore[operator]


def test_failed_evaluations_leave_a_population_of_the_others() -> None:
    score = score_of("mobile_small")

    def half_nan(rows: np.ndarray) -> dict[str, np.ndarray]:
        return {"accuracy": np.where(rows[:, 0] == 0, np.nan, score(rows))}

    result = search(
        two_objectives(),
        NSGA2(),
        EvaluatePopulation(half_nan, DRAWN),
        None,
        evaluations=200,
        batch=20,
        seed=0,
    )
    assert 40 < len(result.history) < 200
    assert (result.history.population[:, 0] != 0).all()
