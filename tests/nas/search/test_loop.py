"""The loop: the archive is the only state; cut off anywhere, it ends up the same."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas.archive import Archive, Metric, Record
from nas.errors import ConfigError, InfeasibleError, InterruptedRunError, NasError
from nas.search import (
    Evolution,
    Objective,
    Problem,
    RandomSearch,
    Searcher,
    SearchError,
    UpperLimit,
    search,
)
from predictors import compile_cost
from search_spaces import Architecture
from tests.nas.search.toys import (
    DRAWN,
    ByKernel,
    Scorer,
    costs_of,
    population_scorer,
    problem_of,
    score_of,
    space_of,
    tiny_space,
)
from tests.nas.search.worker_jobs import flaky

EVALUATIONS, BATCH = 24, 10


class PowerCutError(Exception):
    """Stands for whatever ends a process in the middle of an evaluation."""


def opened(path: Path, problem: Problem) -> Archive:
    space = problem.space
    return Archive.open(
        path,
        space_name=space.name,
        space_options=space.options,
        fingerprint=space.fingerprint,
    )


def content(archive: Archive) -> tuple[Any, ...]:
    return archive.ids(), archive.rows(), archive.proposals(), archive.failures()


def limited() -> Problem:
    return problem_of("mobile_small", macs=5e6)


def run(
    path: Path, evaluate: Any, *, searcher: Searcher | None = None, **options: Any
) -> tuple[Any, ...]:
    """Search into an archive and return its content."""
    problem = options.pop("problem", None) or limited()
    numbers = {"evaluations": EVALUATIONS, "batch": BATCH, "seed": 3, **options}
    with opened(path, problem) as archive:
        search(problem, searcher or Evolution(parents=4), evaluate, archive, **numbers)
        return content(archive)


def dying(evaluate: Callable[[Architecture], Any], after: int) -> Callable[[Architecture], Any]:
    """Evaluate so many architectures, then end in the middle of the next."""
    left = after

    def evaluate_or_die(architecture: Architecture) -> Any:
        nonlocal left
        if not left:
            raise PowerCutError
        left -= 1
        return evaluate(architecture)

    return evaluate_or_die


def test_everything_is_recorded_with_its_reason_and_costs(tmp_path: Path) -> None:
    scorer = Scorer(score_of("mobile_small"))
    ids, rows, proposals, failures = run(tmp_path / "archive.sqlite", scorer)
    problem = limited()
    space = problem.space
    assert len(rows) == len(scorer.calls) == len(set(ids)) == EVALUATIONS
    assert not failures
    assert [id for id, _ in proposals] == ids
    assert [why.round for _, why in proposals] == [0] * 10 + [1] * 10 + [2] * 4
    assert {why.operator for _, why in proposals[:10]} == {"random"}
    for row in rows:
        assert row.id == space.id_of(row.architecture)
        assert set(row.metrics) == {"accuracy", *problem.costs}
        assert row.metrics["accuracy"] == Metric(
            score_of("mobile_small").of(row.architecture), DRAWN
        )
        for name, cost in problem.costs.items():
            assert row.metrics[name].value == pytest.approx(cost.of(row.architecture))
            assert row.metrics[name].provenance == cost.provenance
        assert row.metrics["macs"].value <= 5e6
    for id, why in proposals[10:]:
        known = ids[: ids.index(id)]
        assert set(why.parents) <= set(known)
        assert len(why.parents) == {"mutation": 1, "crossover": 2, "random": 0}[why.operator]


@pytest.mark.parametrize("searcher", [RandomSearch(), Evolution(parents=4)], ids=repr)
def test_the_same_seed_gives_the_same_archive(tmp_path: Path, searcher: Searcher) -> None:
    one = run(tmp_path / "1", Scorer(score_of("mobile_small")), searcher=searcher)
    other = run(tmp_path / "2", Scorer(score_of("mobile_small")), searcher=searcher)
    assert one == other
    third = run(tmp_path / "3", Scorer(score_of("mobile_small")), searcher=searcher, seed=4)
    assert third[0] != one[0]


@pytest.mark.parametrize("after", [0, 1, 7, 9, 10, 11, 13, 19, 20, 23])
def test_cut_off_after_any_evaluation_it_ends_up_the_same(tmp_path: Path, after: int) -> None:
    whole = run(tmp_path / "whole", flaky)
    assert len(whole[3]) > 3  # failures are part of it
    with pytest.raises(PowerCutError):
        run(tmp_path / "cut", dying(flaky, after))
    assert run(tmp_path / "cut", flaky) == whole


def test_cut_off_again_and_again_it_ends_up_the_same(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole", flaky)
    calls = 0
    while True:
        try:
            found = run(tmp_path / "cut", dying(flaky, 3))
        except PowerCutError:
            calls += 1
            continue
        break
    assert found == whole
    assert calls == (EVALUATIONS - 1) // 3


def test_nothing_is_evaluated_twice(tmp_path: Path) -> None:
    with pytest.raises(PowerCutError):
        run(tmp_path / "cut", dying(flaky, 13))
    calls: list[Architecture] = []

    def counted(architecture: Architecture) -> Mapping[str, Metric]:
        calls.append(architecture)
        return flaky(architecture)

    run(tmp_path / "cut", counted)
    assert len(calls) == EVALUATIONS - 13
    run(tmp_path / "cut", counted)
    assert len(calls) == EVALUATIONS - 13


def test_a_longer_search_goes_on_where_the_shorter_ended(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole", flaky, evaluations=37)
    run(tmp_path / "twice", flaky, evaluations=14)
    assert run(tmp_path / "twice", flaky, evaluations=37) == whole


def test_whole_rounds_at_once_give_the_same_search(tmp_path: Path) -> None:
    single = run(tmp_path / "single", Scorer(score_of("mobile_small")))
    together = run(tmp_path / "together", population_scorer(score_of("mobile_small")))
    assert together == single


def test_what_cheap_evaluations_have_found_is_stored_when_one_breaks(tmp_path: Path) -> None:
    score = population_scorer(score_of("mobile_small"))
    rounds = 0

    def breaks(population: np.ndarray) -> Mapping[str, np.ndarray]:
        nonlocal rounds
        rounds += 1
        if rounds == 3:
            raise PowerCutError
        return score.function(population)

    with pytest.raises(PowerCutError):
        run(tmp_path / "cut", type(score)(breaks, DRAWN))
    with opened(tmp_path / "cut", limited()) as archive:
        assert archive.count() == 20
    assert run(tmp_path / "cut", score) == run(tmp_path / "whole", score)


SCRIPT = """
import sys, time
from pathlib import Path
from tests.nas.search.test_loop import flaky, run

def slow(architecture):
    time.sleep(0.01)
    return flaky(architecture)

run(Path(sys.argv[1]), slow, evaluations=200)
"""


def test_killed_for_real_it_ends_up_the_same(tmp_path: Path) -> None:
    path = tmp_path / "killed"
    for least in (5, 33):
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(path)],
            cwd=Path(__file__).parents[3],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(["."])},
        )
        deadline = time.monotonic() + 120
        while _recorded(path) < least and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert least <= _recorded(path) < 200
    assert run(path, flaky, evaluations=200) == run(tmp_path / "whole", flaky, evaluations=200)


def _recorded(path: Path) -> int:
    if not path.exists():
        return 0
    with Archive.read(path) as archive:
        return archive.count()


def test_failures_are_recorded_with_their_reason_and_not_tried_again(tmp_path: Path) -> None:
    calls: list[Architecture] = []

    def counted(architecture: Architecture) -> Mapping[str, Metric]:
        calls.append(architecture)
        return flaky(architecture)

    ids, rows, proposals, failures = run(tmp_path / "archive", counted)
    assert len(set(calls)) == len(calls) == EVALUATIONS
    assert len(rows) + len(failures) == len(ids) == len(proposals) == EVALUATIONS
    assert {why.split(":")[0] for why in failures.values()} == {"does not fit", "accuracy is nan"}


def test_when_everything_fails_it_stops_and_tries_again_once_mended(tmp_path: Path) -> None:
    def broken(architecture: Architecture) -> Mapping[str, Metric]:
        raise NasError("the camera is unplugged")

    with pytest.raises(SearchError, match=r"All 10 evaluations failed.*camera is unplugged"):
        run(tmp_path / "archive", broken)
    scorer = Scorer(score_of("mobile_small"))
    mended = run(tmp_path / "archive", scorer)
    assert len(scorer.calls) == EVALUATIONS
    assert mended == run(tmp_path / "whole", Scorer(score_of("mobile_small")))


@pytest.mark.parametrize("error", [InterruptedRunError("stop"), ConfigError("wrong")])
def test_errors_of_the_run_are_no_failed_evaluations(tmp_path: Path, error: NasError) -> None:
    def raises(architecture: Architecture) -> Mapping[str, Metric]:
        raise error

    with pytest.raises(type(error)):
        run(tmp_path / "archive", raises)
    with opened(tmp_path / "archive", limited()) as archive:
        assert archive.count() == 0


def test_an_objective_that_nothing_gives_is_refused_with_the_nearest() -> None:
    problem = Problem(
        space_of("mobile_small"),
        objectives=(Objective("acuracy"),),
        costs=costs_of("mobile_small"),
    )
    scorer = Scorer(score_of("mobile_small"))
    with pytest.raises(ConfigError, match=r"objective acuracy: .*Did you mean 'accuracy'\?"):
        search(problem, RandomSearch(), scorer, None, evaluations=5, batch=5, seed=0)
    assert len(scorer.calls) == 1


def test_an_evaluation_that_gives_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="objective accuracy: neither the evaluation nor"):
        search(
            problem_of("mobile_small"),
            RandomSearch(),
            lambda architecture: {},
            None,
            evaluations=5,
            batch=5,
            seed=0,
        )


def test_several_objectives_and_costs_among_them_are_kept(tmp_path: Path) -> None:
    problem = Problem(
        space_of("mobile_small"),
        objectives=(Objective("accuracy"), Objective("macs", "minimize")),
        costs=costs_of("mobile_small"),
    )
    scorer = Scorer(score_of("mobile_small"))
    with opened(tmp_path / "archive", problem) as archive:
        options = {"evaluations": 30, "batch": 10, "seed": 0}
        search(problem, Evolution(), scorer, archive, **options)
        again = search(problem, Evolution(), scorer, archive, **options)
    history = again.history
    assert len(scorer.calls) == 30
    np.testing.assert_allclose(history.values[:, 1], problem.costs["macs"](history.population))
    np.testing.assert_allclose(history.values[:, 0], score_of("mobile_small")(history.population))


def test_an_impossible_limit_is_said_before_anything_is_evaluated() -> None:
    scorer = Scorer(score_of("mobile_small"))
    with pytest.raises(InfeasibleError, match="smallest reachable is 1,045,696"):
        search(
            problem_of("mobile_small", macs=1e6),
            Evolution(),
            scorer,
            None,
            evaluations=5,
            batch=5,
            seed=0,
        )
    assert not scorer.calls


def test_nothing_found_is_an_error_even_where_nothing_is_proven(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    space = tiny_space(choices=4, kernels=(1, 3))
    costs = {
        "one": compile_cost(space, ByKernel(((1, 0.0), (3, 1.0)), "one")),
        "other": compile_cost(space, ByKernel(((1, 1.0), (3, 0.0)), "other")),
    }
    limits = (UpperLimit("one", 1.9, "1.9"), UpperLimit("other", 2.9))
    problem = Problem(space, costs=costs, limits=limits)
    from nas.search import feasibility

    decide = feasibility.decide
    monkeypatch.setattr(feasibility, "decide", lambda problem, nodes: decide(problem, nodes=0))
    with pytest.raises(InfeasibleError, match="not proven that there is none") as caught:
        search(problem, Evolution(), Scorer(costs["one"]), None, evaluations=5, batch=5, seed=0)
    assert "one <= 1.9" in str(caught.value)


def test_an_exhausted_space_ends_the_search_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    space = tiny_space(choices=2)
    problem = Problem(space)
    scorer = Scorer(compile_cost(space, ByKernel(((1, 1.0), (3, 2.0), (5, 3.0)))))
    with opened(tmp_path / "archive", problem) as archive:
        for _ in range(2):
            with caplog.at_level(logging.WARNING):
                result = search(
                    problem, Evolution(), scorer, archive, evaluations=50, batch=4, seed=0
                )
            assert result.stopped == "exhausted"
            assert len(result.history) == 9
            assert "stopped after 9 of 50 evaluations" in caplog.text
            caplog.clear()
    assert len(scorer.calls) == 9


def test_evaluations_from_elsewhere_are_used_but_do_not_change_the_search(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole", flaky)
    space = limited().space
    architecture = whole[1][5].architecture
    strange = space.decode(space.sample(1, np.random.default_rng(99))[0])
    with opened(tmp_path / "known", limited()) as archive:
        records = [
            Record(space.id_of(architecture), architecture, flaky(architecture)),
            Record(space.id_of(strange), strange, {"accuracy": Metric(1e9, DRAWN)}),
        ]
        archive.record_many(records)
    calls: list[Architecture] = []

    def counted(asked: Architecture) -> Mapping[str, Metric]:
        calls.append(asked)
        return flaky(asked)

    _, rows, proposals, _ = run(tmp_path / "known", counted)
    assert architecture not in calls
    assert len(calls) == EVALUATIONS - 1
    assert {id for id, _ in proposals} == set(whole[0])
    assert len(rows) == len(whole[1]) + 1


def test_a_half_finished_round_of_another_configuration_is_left_as_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(PowerCutError):
        run(tmp_path / "archive", dying(flaky, 14))
    with caplog.at_level(logging.WARNING):
        _, _, proposals, _ = run(tmp_path / "archive", flaky, seed=99)
    assert "Round 1 of the archive was proposed by another configuration" in caplog.text
    rounds = [why.round for _, why in proposals]
    assert len({id for id, _ in proposals}) == len(proposals) == EVALUATIONS
    assert rounds[:14] == [0] * 10 + [1] * 4
    assert set(rounds[14:]) == {2}


def test_progress_tells_how_far_and_how_good() -> None:
    told: list[tuple[int, int, str]] = []
    result = search(
        problem_of("mobile_small"),
        Evolution(),
        Scorer(score_of("mobile_small")),
        None,
        evaluations=25,
        batch=10,
        seed=0,
        progress=lambda *report: told.append(report),
    )
    assert [(done, total) for done, total, _ in told] == [(i, 25) for i in range(1, 26)]
    best = result.history.values.max()
    assert told[-1][2] == f"round 3, best accuracy {best:.6g}"
    assert result.stopped == "budget"


def test_a_resumed_search_reports_from_where_it_goes_on(tmp_path: Path) -> None:
    with pytest.raises(PowerCutError):
        run(tmp_path / "cut", dying(flaky, 13))
    told: list[int] = []
    run(tmp_path / "cut", flaky, progress=lambda done, total, text: told.append(done))
    assert told == list(range(14, EVALUATIONS + 1))


@pytest.mark.parametrize("numbers", [(0, 5), (5, 0)])
def test_numbers_below_one_are_refused(numbers: tuple[int, int]) -> None:
    evaluations, batch = numbers
    with pytest.raises(ConfigError, match="must be at least 1"):
        search(
            problem_of("mobile_small"),
            RandomSearch(),
            Scorer(score_of("mobile_small")),
            None,
            evaluations=evaluations,
            batch=batch,
            seed=0,
        )
