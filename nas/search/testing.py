"""A conformance suite for searchers; subclass it with a fixture, as for `search_spaces.testing`.

class TestMySearcher(SearcherSuite):
    @pytest.fixture
    def searcher(self) -> Searcher:
        return MySearcher()
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nas.archive import Archive
from nas.search.evaluators import EvaluatePopulation
from nas.search.feasibility import check_feasible
from nas.search.history import History
from nas.search.loop import SearchResult, search
from nas.search.problem import Objective, Problem, UpperLimit
from nas.search.searcher import Searcher
from predictors import CostTable, Macs, PeakMemory, Provenance, compile_cost
from search_spaces import Population, SearchSpace, SpaceBuilder, get_space
from search_spaces.blocks import BlockSpec, Conv

__all__ = ["SearcherSuite"]

_DRAWN = Provenance("predicted", "a formula")


@dataclass(frozen=True)
class _Worth:
    """An additive score that grows with the work of a block, more and more slowly."""

    metric: str = "accuracy"
    reduce: Literal["sum", "max"] = "sum"
    constant: float = 0.0
    provenance: Provenance = _DRAWN

    def __call__(self, block: BlockSpec) -> float:
        return float(Macs()(block) ** 0.5)


@cache
def _compiled(name: str) -> tuple[CostTable, dict[str, CostTable]]:
    space = get_space(name)
    costs = {model.metric: compile_cost(space, model) for model in (Macs(), PeakMemory())}
    return compile_cost(space, _Worth()), costs


def _tiny_space(choices: int) -> SearchSpace:
    builder = SpaceBuilder("tiny")
    for i in range(choices):
        kernel = builder.choice(f"kernel_{i}", (1, 3, 5))
        builder.slot(f"conv{i}", reads=(kernel,), block=lambda k: Conv(4, 4, 8, kernel=k))
    return builder.build()


class SearcherSuite:
    """Subclass it with a fixture ``searcher``.

    Attributes:
        objectives: What the searcher looks for; metrics other than ``accuracy`` are costs.
        batch: Architectures in a round.
    """

    objectives: tuple[Objective, ...] = (Objective(),)
    batch = 20

    def problem(
        self, limits: Mapping[str, float] | None = None, *, space: str = "mobile_small"
    ) -> Problem:
        """Return a problem over a registered space with limits."""
        _, costs = _compiled(space)
        uppers = tuple(UpperLimit(metric, value) for metric, value in (limits or {}).items())
        return Problem(costs["macs"].space, objectives=self.objectives, costs=costs, limits=uppers)

    def run(
        self,
        searcher: Searcher,
        problem: Problem,
        *,
        evaluations: int = 60,
        seed: int = 0,
        archive: Archive | None = None,
        evaluate: EvaluatePopulation | None = None,
    ) -> SearchResult:
        """Search with an additive score as the accuracy."""
        if evaluate is None:
            score = compile_cost(problem.space, _Worth())
            evaluate = EvaluatePopulation(lambda rows: {"accuracy": score(rows)}, _DRAWN)
        return search(
            problem,
            searcher,
            evaluate,
            archive,
            evaluations=evaluations,
            batch=self.batch,
            seed=seed,
        )

    def test_it_proposes_new_feasible_architectures_only(self, searcher: Searcher) -> None:
        """Loose, tight and several limits; every round is new and within them."""
        smallest = _compiled("mobile_small")[1]["macs"].minimum().value
        several = {"macs": 4e6, "peak_memory_bytes": 150_000.0}
        for limits in ({}, {"macs": 4e6}, several, {"macs": smallest * 1.2}):
            problem = self.problem(limits)
            starts = problem.space.encode(check_feasible(problem).architecture)[None]
            history = History(problem, starts=starts)
            space, score = problem.space, _compiled("mobile_small")[0]
            for round in range(5):
                rng = np.random.default_rng(round)
                proposals = searcher.propose(history, self.batch, round=round, rng=rng)
                rows = proposals.population
                assert 0 < len(rows) <= self.batch
                assert len(proposals.operators) == len(proposals.parents) == len(rows)
                assert problem.feasible(rows).all()
                assert len(history.fresh(space.keys(rows))) == len(rows)
                rows = space.canonical(rows)
                history.extend(round, rows, self._values(problem, rows, score))

    def _values(self, problem: Problem, rows: Population, score: CostTable) -> NDArray[np.float64]:
        columns = [problem.costs.get(o.metric, score)(rows) for o in problem.objectives]
        return np.stack(columns, axis=1)

    def test_it_is_a_function_of_history_round_and_generator(self, searcher: Searcher) -> None:
        """What it was asked before leaves no trace, and a fresh copy proposes the same."""
        problem = self.problem({"macs": 4e6})
        one, other = (self.run(searcher, problem, seed=1).history for _ in range(2))
        searcher.propose(one, 5, round=9, rng=np.random.default_rng(5))
        first, second = (
            used.propose(history, self.batch, round=3, rng=np.random.default_rng(0))
            for used, history in ((searcher, one), (replace(searcher), other))  # type: ignore[type-var]
        )
        assert np.array_equal(first.population, second.population)
        assert list(first.operators) == list(second.operators)
        assert list(first.parents) == list(second.parents)

    def test_the_seed_decides(self, searcher: Searcher) -> None:
        """The same seed gives the same archive, another seed another one."""
        problem = self.problem()
        one, same, other = (
            self.run(searcher, problem, seed=seed).history.keys.tolist() for seed in (0, 0, 1)
        )
        assert one == same
        assert set(one) != set(other)

    def test_a_search_that_was_cut_off_resumes_equal(
        self, searcher: Searcher, tmp_path: Path
    ) -> None:
        """An archive filled in two calls equals that of one."""
        problem = self.problem({"macs": 4e6})
        space, found = problem.space, []
        for name, steps in (("one", (100,)), ("two", (30, 50, 100))):
            for evaluations in steps:
                with Archive.open(
                    tmp_path / f"{name}.db",
                    space_name=space.name,
                    space_options=space.options,
                    fingerprint=space.fingerprint,
                ) as archive:
                    result = self.run(searcher, problem, evaluations=evaluations, archive=archive)
            found.append((result.history.keys.tolist(), result.history.rounds.tolist()))
        assert found[0] == found[1]

    def test_it_exhausts_a_small_space_and_stops(self, searcher: Searcher) -> None:
        """Every architecture is evaluated once, equal ones are no trouble."""
        for choices in (0, 1, 4):
            problem = Problem(
                space := _one_network() if choices == 0 else _tiny_space(choices),
                objectives=self.objectives,
                costs={"macs": compile_cost(space, Macs())},
            )
            flat = EvaluatePopulation(lambda rows: {"accuracy": np.zeros(len(rows))}, _DRAWN)
            result = self.run(searcher, problem, evaluations=1000, evaluate=flat)
            assert result.stopped == "exhausted"
            assert len(result.history) == space.size == 3**choices

    def test_a_limit_a_hair_above_the_minimum_is_searched(self, searcher: Searcher) -> None:
        """Hardly anything is within the limit, and all that is proposed is."""
        for name in ("mobile_small", "ofa_mobilenet_v3"):
            smallest = _compiled(name)[1]["macs"].minimum().value
            problem = self.problem({"macs": smallest * 1.0001}, space=name)
            result = self.run(searcher, problem)
            assert 1 <= len(result.history) <= 60
            assert result.history.feasible.all()

    def test_evaluations_that_fail_do_not_stop_it(self, searcher: Searcher) -> None:
        """All but one of a round are NaN."""
        score = _compiled("mobile_small")[0]

        def mostly_nan(rows: Population) -> dict[str, NDArray[np.float64]]:
            values = score(rows)
            values[1:] = np.nan
            return {"accuracy": values}

        evaluate = EvaluatePopulation(mostly_nan, _DRAWN)
        history = self.run(searcher, self.problem(), evaluate=evaluate).history
        assert len(history) == 60 // self.batch
        assert history.proposed == 60


def _one_network() -> SearchSpace:
    builder = SpaceBuilder("one")
    builder.slot("conv", block=lambda: Conv(4, 4, 8, kernel=3))
    return builder.build()
