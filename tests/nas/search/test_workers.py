"""Many workers: the same archive as one, whoever dies in between."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import (
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from importlib.metadata import EntryPoint
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from nas.errors import ConfigError, RunError
from nas.search import WorkerPool, executors
from nas.search.executors import executor_factory, list_executors
from search_spaces import Architecture
from tests.nas.search.test_loop import EVALUATIONS, run
from tests.nas.search.toys import space_of
from tests.nas.search.worker_jobs import Job, flaky


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, ...]:
    """The archive of one process that evaluates one after the other."""
    return run(tmp_path_factory.mktemp("whole") / "archive", flaky)


@pytest.fixture
def traces(tmp_path: Path) -> str:
    (tmp_path / "traces").mkdir()
    return str(tmp_path / "traces")


def pool(job: Any, executor: str = "processes", workers: int = 2) -> WorkerPool:
    factory = executor_factory(executor)
    return WorkerPool(job, lambda: factory(workers), workers=workers)


def spawned() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(2, get_context("spawn"))


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split(")")[-1].split()[0] != "Z"
    except OSError:
        return False


def wait_for(condition: Any, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)


@pytest.mark.parametrize("workers", [1, 3])
def test_any_executor_gives_the_archive_of_one_worker(
    tmp_path: Path, whole: tuple[Any, ...], workers: int
) -> None:
    """Later proposals end first; nothing runs twice, and never more than asked."""
    lock, running, most, done = threading.Lock(), set[Architecture](), 0, 0

    def uneven(architecture: Architecture) -> Any:
        nonlocal most, done
        with lock:
            assert architecture not in running
            running.add(architecture)
            most, done = max(most, len(running)), done + 1
        time.sleep(0.02 if done % 3 == 1 else 0.001)
        with lock:
            running.remove(architecture)
        return flaky(architecture)

    threads = lambda: ThreadPoolExecutor(8)  # noqa: E731
    with WorkerPool(uneven, threads, workers=workers) as several:
        assert run(tmp_path / "archive", several) == whole
    assert most == workers
    assert done == EVALUATIONS


def test_processes_share_the_work_and_die_for_themselves(
    tmp_path: Path, whole: tuple[Any, ...], traces: str
) -> None:
    deadly = whole[0][5], whole[0][16]
    job = Job(traces, deadly=deadly, deaths=2)
    with pool(job) as several:
        assert run(tmp_path / "archive", several) == whole
    assert job.begun() == {id: 3 if id in deadly else 1 for id in whole[0]}
    assert os.getpid() not in job.processes()
    wait_for(lambda: not any(map(alive, job.processes())))


def test_an_executor_that_breaks_as_a_whole_is_opened_again(
    tmp_path: Path, whole: tuple[Any, ...], traces: str
) -> None:
    """What ran beside the deadly one, whichever that was, is begun once more and no more."""
    deadly = whole[0][6]
    job = Job(traces, deadly=(deadly,), deaths=99)
    with WorkerPool(job, spawned, workers=2) as several:
        ids, _, _, failures = run(tmp_path / "archive", several, evaluations=10)
    assert ids == whole[0][:10]
    assert failures[deadly] == "the worker died in each of 3 attempts"
    assert set(failures) == {deadly, *(id for id in ids if id in whole[3])}
    begun = job.begun()
    assert begun.pop(deadly) in (3, 4)  # the first death counts if nothing ran beside it
    assert set(begun) == {*ids} - {deadly}
    assert sorted(begun.values())[:-1] == [1] * 8
    assert max(begun.values()) <= 2


def test_a_worker_that_dies_every_time_is_a_failure_and_the_search_goes_on(
    tmp_path: Path, whole: tuple[Any, ...], traces: str, caplog: pytest.LogCaptureFixture
) -> None:
    deadly = whole[0][2]
    job = Job(traces, deadly=(deadly,), deaths=99)
    with pool(job) as several:
        ids, _, _, failures = run(tmp_path / "archive", several)
    assert failures[deadly] == "the worker died in each of 3 attempts"
    assert job.begun() == {id: 3 if id == deadly else 1 for id in ids}
    assert len(ids) == EVALUATIONS
    assert "died in each of 3 attempts" in caplog.text


def test_a_worker_killed_from_outside_loses_its_evaluation_only(
    tmp_path: Path, whole: tuple[Any, ...], traces: str
) -> None:
    job = Job(traces, seconds=0.05)

    def kill_one() -> None:
        wait_for(lambda: len(job.begun()) > 4)
        os.kill(min(job.processes()), signal.SIGKILL)

    killer = threading.Thread(target=kill_one)
    killer.start()
    with pool(job) as several:
        assert run(tmp_path / "archive", several) == whole
    killer.join()
    assert sum(job.begun().values()) <= EVALUATIONS + 1


def test_an_error_of_the_run_ends_it(tmp_path: Path, whole: tuple[Any, ...], traces: str) -> None:
    job = Job(traces, wrong=(whole[0][4],))
    with pytest.raises(ConfigError, match="batch_size is wrong"), pool(job) as several:
        run(tmp_path / "archive", several)


def test_leaving_by_an_error_ends_running_workers_at_once(
    whole: tuple[Any, ...], traces: str
) -> None:
    job = Job(traces, seconds=300)
    space = space_of("mobile_small")
    rows = space.encode_all([row.architecture for row in whole[1][:2]])
    ends: list[BaseException] = []

    def ask(several: WorkerPool) -> None:
        try:
            next(several.outcomes(space, rows, [0, 1]))
        except Exception as error:
            ends.append(error)

    def leave() -> None:
        with pool(job) as several:
            threading.Thread(target=ask, args=(several,), daemon=True).start()
            wait_for(lambda: len(job.processes()) == 2)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        leave()
    wait_for(lambda: not any(map(alive, job.processes())))
    wait_for(lambda: ends)
    (end,) = ends  # nothing is begun anew
    assert isinstance(end, RunError)
    assert "let go" in str(end)
    assert len(job.processes()) == 2


SCRIPT = """
import sys
from pathlib import Path
from tests.nas.search.test_loop import run
from tests.nas.search.test_workers import Job, pool

if __name__ == "__main__":
    with pool(Job(sys.argv[2], seconds=0.05)) as several:
        run(Path(sys.argv[1]), several)
"""


def test_the_whole_search_killed_ends_its_workers_and_is_gone_on_with(
    tmp_path: Path, whole: tuple[Any, ...], traces: str
) -> None:
    script, job = tmp_path / "script.py", Job(traces)
    script.write_text(SCRIPT, encoding="utf-8")
    root = str(Path(__file__).parents[3])
    process = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "archive"), traces],
        cwd=root,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([root, *sys.path])},
    )
    wait_for(lambda: len(job.begun()) > 12)
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_for(lambda: not any(map(alive, job.processes())))
    with pool(job) as several:
        assert run(tmp_path / "archive", several) == whole
    assert sum(job.begun().values()) <= EVALUATIONS + 2


class Refusing(Executor):
    """Takes nothing, like a pool whose processes cannot start."""

    def submit(self, *args: Any, **kwargs: Any) -> Future[Any]:
        raise BrokenExecutor("the cluster is gone")


def test_workers_that_never_come_stop_the_search_resumable(
    tmp_path: Path, whole: tuple[Any, ...]
) -> None:
    several = WorkerPool(flaky, Refusing, workers=2)
    with pytest.raises(RunError, match=r"takes no evaluations: the cluster is gone.*--resume"):
        run(tmp_path / "archive", several)
    assert run(tmp_path / "archive", flaky) == whole


@pytest.mark.parametrize("numbers", [{"workers": 0}, {"workers": 1, "attempts": 0}])
def test_numbers_below_one_are_refused(numbers: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="must be at least 1"):
        WorkerPool(flaky, Refusing, **numbers)


@pytest.mark.slow
def test_ray_gives_the_archive_of_one_worker_whoever_dies(
    tmp_path: Path, whole: tuple[Any, ...], traces: str
) -> None:
    pytest.importorskip("ray", reason="ray is not installed")
    job = Job(traces, deadly=(whole[0][3],))
    with pool(job, "ray") as several:
        assert run(tmp_path / "archive", several) == whole
    assert job.begun() == {id: 2 if id == whole[0][3] else 1 for id in whole[0]}
    assert len(job.processes()) > 1
    assert os.getpid() not in job.processes()


def test_an_unknown_executor_is_refused_with_the_nearest() -> None:
    assert {"processes", "ray"} <= set(list_executors())
    with pytest.raises(ConfigError, match=r"'proceses': there is no.*Did you mean 'processes'"):
        executor_factory("proceses")


def test_executors_of_third_parties_come_by_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = {
        "threads": EntryPoint("threads", "concurrent.futures:ThreadPoolExecutor", "nas.executors"),
        "gone": EntryPoint("gone", "no_such_package:open", "nas.executors"),
    }
    monkeypatch.setattr(
        executors,
        "entry_points",
        lambda group, name=None: [e for e in entries.values() if name in (None, e.name)],
    )
    assert "threads" in list_executors()
    with executor_factory("threads")(2) as executor:
        assert executor.submit(len, "three").result() == 5
    with pytest.raises(ConfigError, match="no_such_package:open cannot be loaded"):
        executor_factory("gone")
