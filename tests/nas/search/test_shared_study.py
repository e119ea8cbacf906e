"""One search by several processes through one storage: journal file, SQLite, PostgreSQL."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("optuna", reason="optuna is not installed")

from nas.archive import Metric, Proposal
from nas.errors import ConfigError, NasError, RunError
from nas.search import Evolution, Objective, Problem, RandomSearch
from nas.search.optuna_bridge import OptunaSearcher, SharedStudy, WorkPlan, work
from nas.search.optuna_bridge.shared import Claim
from search_spaces import Architecture
from tests.nas.search.postgresql import Server, server
from tests.nas.search.test_loop import limited, opened
from tests.nas.search.test_workers import wait_for
from tests.nas.search.toys import DRAWN, costs_of, problem_of, score_of, space_of
from tests.nas.search.worker_jobs import Job, flaky

EVALUATIONS = 24
QUICK = (0.01, 0.01)

SCRIPT = """
import sys
from nas.search.optuna_bridge import OptunaSearcher, SharedStudy, WorkPlan, work
from tests.nas.search.test_loop import limited
from tests.nas.search.worker_jobs import Job

url, traces, worker, evaluations = sys.argv[1:]
study = SharedStudy(limited(), url, "shared", lease_s=3.0)
plan = WorkPlan(int(evaluations), batch=6, seed=0, worker=worker, poll_s=0.05)
work(study, OptunaSearcher("RandomSampler"), Job(traces, seconds=0.1), plan)
"""


@pytest.fixture(scope="module")
def postgresql() -> Iterator[Server]:
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    with server() as running:
        yield running


@pytest.fixture(params=["journal", "sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "journal":
        return str(tmp_path / "study.journal")
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'study.db'}"
    running: Server = request.getfixturevalue("postgresql")
    running.stop()
    running.start()
    return running.url


@pytest.fixture
def journal(tmp_path: Path) -> str:
    return str(tmp_path / "study.journal")


@pytest.fixture
def traces(tmp_path: Path) -> str:
    (tmp_path / "traces").mkdir()
    return str(tmp_path / "traces")


def plan(worker: str = "one", evaluations: int = EVALUATIONS) -> WorkPlan:
    return WorkPlan(evaluations, batch=6, seed=0, worker=worker, poll_s=0.02)


def wanted(position: int = 0) -> Claim:
    space = space_of("mobile_small")
    row = space.canonical(space.encode_all([space.decode([0] * len(space.choices))]))
    row[0, 0] = position
    return Claim(space.ids(row)[0], space.decode(row[0]), Proposal(0, "random"))


@pytest.mark.slow
def test_processes_share_one_search_and_one_is_killed(
    url: str, tmp_path: Path, traces: str
) -> None:
    job, root = Job(traces), str(Path(__file__).parents[3])
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, url, traces, name, str(EVALUATIONS)],
            cwd=root,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([root, *sys.path])},
        )
        for name in ("one", "two", "three")
    ]
    wait_for(lambda: len(job.processes()) == 3 and len(job.begun()) > 5)
    processes[0].send_signal(signal.SIGKILL)
    assert [process.wait(120) for process in processes] == [-signal.SIGKILL, 0, 0]

    study = SharedStudy(limited(), url, "shared")
    with opened(tmp_path / "archive", limited()) as archive:
        assert study.collect(archive) == EVALUATIONS
        assert study.collect(archive) == 0
        ids, rows, failures = archive.ids(), archive.rows(), archive.failures()
        proposals = archive.proposals()
    assert len(set(ids)) == EVALUATIONS == len(proposals) == len(rows) + len(failures)
    assert {"does not fit", "accuracy is nan"} >= {why.split(":")[0] for why in failures.values()}
    for row in rows:
        assert row.metrics["accuracy"].value == score_of("mobile_small").of(row.architecture)
        assert row.metrics["macs"].value <= 5e6
    begun = job.begun()
    assert set(begun) == set(ids)
    assert sum(begun.values()) <= EVALUATIONS + 1  # what the killed one was doing, again
    assert not study.view().running


@pytest.mark.parametrize(
    "searcher", [Evolution(parents=4), OptunaSearcher("TPESampler")], ids=["evolution", "tpe"]
)
def test_one_worker_fills_the_study_and_finds_it_full_again(searcher: Any, journal: str) -> None:
    study = SharedStudy(limited(), journal, "shared")
    told: list[tuple[int, int]] = []
    done = work(study, searcher, flaky, plan(), progress=lambda d, t, text: told.append((d, t)))
    assert done == EVALUATIONS
    assert told[0] == (0, EVALUATIONS)
    assert told[-1] == (EVALUATIONS, EVALUATIONS)
    assert work(study, searcher, flaky, plan("two")) == 0
    view = study.view()
    assert {claim.proposal.round for claim in view.claims.values()} == {0, 1, 2, 3}
    assert {claim.proposal.operator for claim in view.claims.values()} > {"random"}


def test_only_the_first_of_two_claims_counts(journal: str) -> None:
    one, other = (SharedStudy(limited(), journal, "shared") for _ in range(2))
    first = one.claim(wanted(), evaluations=9)
    assert first is not None
    assert other.claim(wanted(), evaluations=9) is None
    assert one.view().running == {wanted().id}
    other.finish(first, {"accuracy": Metric(0.5, DRAWN)})
    assert one.claim(wanted(), evaluations=9) is None
    assert one.view().finished == {wanted().id: {"accuracy": Metric(0.5, DRAWN)}}
    assert one.claim(wanted(1), evaluations=1) is None  # the last one is taken


def test_a_worker_without_a_sign_of_life_loses_its_claim(journal: str) -> None:
    quick = SharedStudy(limited(), journal, "shared", lease_s=0.2)
    for attempt in range(3):
        claim = quick.claim(wanted(), evaluations=9)
        assert claim is not None
        with quick.alive(claim):
            time.sleep(0.5)
            assert quick.view().running == {wanted().id}
        time.sleep(0.5)
        view = quick.view()
        assert not view.running
        assert [lost.id for lost in view.lost] == [wanted().id] * (attempt < 2)
    assert view.finished == {wanted().id: "the worker died in each of 3 attempts"}
    quick.finish(claim, {"accuracy": Metric(0.5, DRAWN)})  # too late
    assert quick.view().finished == view.finished


def test_an_interrupt_gives_the_architecture_free_at_once(journal: str) -> None:
    def interrupted(architecture: Architecture) -> Any:
        raise KeyboardInterrupt

    study = SharedStudy(limited(), journal, "shared")
    for _ in range(4):  # stopped is not dead: nothing is given up
        with pytest.raises(KeyboardInterrupt):
            work(study, RandomSearch(), interrupted, plan())
        view = study.view()
        assert len(view.lost) == 1
        assert not view.finished
    assert work(study, RandomSearch(), flaky, plan()) == EVALUATIONS
    assert set(study.view().finished) >= {view.lost[0].id}


def test_an_error_of_the_run_is_raised_and_an_error_of_one_evaluation_is_not(
    journal: str,
) -> None:
    def fails(architecture: Architecture) -> Any:
        raise NasError("out of memory")

    study = SharedStudy(limited(), journal, "shared")
    work(study, RandomSearch(), fails, plan(evaluations=2))
    assert set(study.view().finished.values()) == {"out of memory"}
    with pytest.raises(ConfigError, match="objective accuracy: neither"):
        work(study, RandomSearch(), lambda architecture: {}, plan(evaluations=3))


def test_a_database_that_goes_away_is_waited_for(
    postgresql: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    study = SharedStudy(limited(), postgresql.url, "away", waits_s=(0.2,) * 100)
    calls = 0

    def stops(architecture: Architecture) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            postgresql.stop()
            threading.Timer(1.0, postgresql.start).start()
        return flaky(architecture)

    assert work(study, RandomSearch(), stops, plan(evaluations=6)) == 6
    assert calls == 6
    assert "cannot be reached, next attempt in" in caplog.text


def test_a_database_that_stays_away_stops_the_worker_and_loses_nothing(
    postgresql: Server, tmp_path: Path
) -> None:
    study = SharedStudy(limited(), postgresql.url, "gone", waits_s=QUICK, lease_s=1.0)
    calls: list[Architecture] = []

    def counted(architecture: Architecture) -> Any:
        calls.append(architecture)
        if len(calls) == 3:
            postgresql.stop()
        return {"accuracy": Metric(0.5, DRAWN)}

    with opened(tmp_path / "archive", limited()) as archive:
        try:
            with pytest.raises(RunError, match=r"cannot be reached.*Nothing that was written"):
                work(study, RandomSearch(), counted, plan(evaluations=6), archive=archive)
        finally:
            postgresql.start()
        time.sleep(1.1)  # its claim runs out
        work(study, RandomSearch(), counted, plan(evaluations=6), archive=archive)
        assert len(set(calls)) == len(calls) == 6
        assert set(archive.ids()) == set(study.view().finished)


def test_a_study_about_something_else_is_refused(journal: str) -> None:
    SharedStudy(limited(), journal, "shared")
    other = Problem(
        space_of("mobile_small"),
        objectives=(Objective("macs", "minimize"),),
        costs=costs_of("mobile_small"),
    )
    with pytest.raises(ConfigError, match=r"about something else: objectives is \['maximize acc"):
        SharedStudy(other, journal, "shared")
    with pytest.raises(ConfigError, match="space is 'mobile_small', here 'ofa_mobilenet_v3'"):
        SharedStudy(problem_of("ofa_mobilenet_v3"), journal, "shared")


@pytest.mark.parametrize("url", ["nonsense://x", "postgresql+nodriver://x:secret@y/z"], ids=str)
def test_an_unusable_storage_is_refused_without_telling_the_password(url: str) -> None:
    with pytest.raises(ConfigError, match=r"cannot be used.*journal file") as caught:
        SharedStudy(limited(), url, "shared")
    assert "secret" not in str(caught.value)


def test_a_server_that_is_not_there_is_said() -> None:
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    url = "postgresql+psycopg://user:secret@127.0.0.1:9/none"
    with pytest.raises(RunError, match=r"user:\*\*\*@127.0.0.1:9/none cannot be reached"):
        SharedStudy(limited(), url, "shared", waits_s=QUICK)


def test_numbers_below_one_are_refused(journal: str) -> None:
    with pytest.raises(ConfigError, match="must be at least 1"):
        plan(evaluations=0)
    with pytest.raises(ConfigError, match="lease_s = 0"):
        SharedStudy(limited(), journal, "shared", lease_s=0)
