"""Engines of others: what they repeat is answered, what breaks a limit is priced, and all ends."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nas.search import History, RandomSearch, search
from nas.search.asking import Ask, propose_by_asking
from tests.nas.search.toys import population_scorer, problem_of, score_of


class Script:
    """Asks for given rows, one after the other, and notes what it hears."""

    operator = "script"

    def __init__(self, rows: Any) -> None:
        self.rows = list(rows)
        self.heard: list[tuple[Any, ...]] = []

    def ask(self) -> Ask | None:
        return Ask(len(self.heard), self.rows.pop(0)) if self.rows else None

    def accept(self, ask: Ask, excess: np.ndarray) -> None:
        self.heard.append(("accepted", None, excess.max()))

    def answer(self, ask: Ask, values: Any, excess: np.ndarray) -> None:
        self.heard.append(("answered", values, excess.max()))


@pytest.fixture(scope="module")
def history() -> History:
    problem = problem_of("mobile_small", macs=4e6)
    score = population_scorer(score_of("mobile_small"))
    return search(problem, RandomSearch(), score, None, evaluations=30, batch=10, seed=0).history


def test_repetitions_and_broken_limits_are_told_and_new_ones_are_taken(history: History) -> None:
    space = history.problem.space
    rng = np.random.default_rng(1)
    drawn = space.sample(200, rng)
    good = drawn[history.problem.feasible(drawn)][:1]
    largest = space.encode(history.problem.costs["macs"].maximum().architecture)
    engine = Script([history.population[3], largest, good[0], good[0]])
    proposals = propose_by_asking(engine, history, 1, rng=rng)
    assert [told[0] for told in engine.heard] == ["answered", "answered", "accepted"]
    assert engine.heard[0][1].tolist() == history.values[3].tolist()
    assert engine.heard[1][1][0] < history.values.min()
    assert engine.heard[1][2] > 0 >= engine.heard[2][2]
    assert proposals.operators == ["script"]
    np.testing.assert_array_equal(proposals.population, space.canonical(good))
    again = propose_by_asking(Script([good[0], good[0]]), history, 2, rng=rng)
    assert again.operators[0] == "script"
    assert len(set(space.keys(again.population).tolist())) == 2


def test_an_engine_that_repeats_itself_for_ever_ends_in_neighbours(history: History) -> None:
    engine = Script([history.population[0]] * 10_000)
    proposals = propose_by_asking(engine, history, 5, rng=np.random.default_rng(0))
    assert len(engine.heard) == 20
    assert list(proposals.operators) == ["neighbour"] * 5
    assert set(proposals.parents) == {(int(history.keys[0]),)}
    assert history.problem.feasible(proposals.population).all()
    assert not len(propose_by_asking(Script([]), history, 5, rng=None, fill=False))
