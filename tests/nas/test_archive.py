"""The archive: what is recorded is there, after a kill too, and damage is told apart."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas.archive import Archive, Metric, Proposal, Record
from nas.errors import RunError
from predictors.provenance import Provenance
from search_spaces.architecture import Architecture

SPACE = {"space_name": "mobile_small", "space_options": {"classes": 10}, "fingerprint": "f00d"}
MEASURED = Provenance("measured", "validation split", device="cpu", date="2026-01-02")
ANALYTIC = Provenance("analytic", "counted")


def open_archive(path: Path, **changes: object) -> Archive:
    return Archive.open(path, **{**SPACE, **changes})


def arch(number: int) -> Architecture:
    return Architecture({"kernel": number, "width": 1.5, "op": "conv"})


def metrics(number: float) -> dict[str, Metric]:
    return {
        "accuracy": Metric(number / 1000, MEASURED),
        "macs": Metric(1e6 + number, ANALYTIC),
    }


def test_what_is_recorded_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "archive.sqlite"
    with open_archive(path) as archive:
        archive.record("b", arch(2), metrics(2), proposal=Proposal(0, "random"))
        archive.record("a", arch(1), metrics(1), proposal=Proposal(1, "crossover", ("b", "c")))
    with open_archive(path) as archive:
        assert archive.count() == 2
        assert archive.ids() == ["b", "a"]
        assert [row.id for row in archive.rows()] == ["b", "a"]
        assert [row.id for row in archive.rows("id")] == ["a", "b"]
        first = archive.rows()[0]
        assert (first.order, first.architecture, first.metrics) == (1, arch(2), metrics(2))
        assert archive.get("a", "macs") == Metric(1e6 + 1, ANALYTIC)
        assert archive.get("a", "latency_ms") is None
        assert archive.get("z", "macs") is None
        assert archive.proposals() == [
            ("b", Proposal(0, "random")),
            ("a", Proposal(1, "crossover", ("b", "c"))),
        ]
        assert archive.space_options == {"classes": 10}


def test_a_metric_is_added_or_replaced_and_the_row_stays_one(tmp_path: Path) -> None:
    with open_archive(tmp_path / "a.sqlite") as archive:
        archive.record("a", arch(1), metrics(1))
        archive.record("b", arch(2), metrics(2))
        archive.record("a", arch(1), {"accuracy": Metric(0.5, MEASURED)})
        archive.record("a", arch(1), {"latency_ms": Metric(np.float32(2.5), MEASURED)})
        assert archive.ids() == ["a", "b"]
        row = archive.rows()[0]
        assert {name: metric.value for name, metric in row.metrics.items()} == {
            "accuracy": 0.5,
            "latency_ms": 2.5,
            "macs": 1e6 + 1,
        }


def test_failures_count_as_seen_and_a_later_success_lifts_them(tmp_path: Path) -> None:
    with open_archive(tmp_path / "a.sqlite") as archive:
        failed = Record("a", arch(1), failure="loss is not finite", proposal=Proposal(3, "random"))
        archive.record_many([failed, Record("b", arch(2), metrics(2))])
        assert archive.failures() == {"a": "loss is not finite"}
        assert archive.ids() == ["a", "b"]
        assert [row.id for row in archive.rows()] == ["b"]
        archive.record("a", arch(1), metrics(1))
        assert archive.failures() == {}
        assert [row.id for row in archive.rows()] == ["a", "b"]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_value_that_is_no_number_is_refused_and_the_batch_with_it(
    tmp_path: Path, value: float
) -> None:
    with open_archive(tmp_path / "a.sqlite") as archive:
        bad = Record("b", arch(2), {"accuracy": Metric(value, MEASURED)})
        with pytest.raises(RunError, match="accuracy of architecture b is"):
            archive.record_many([Record("a", arch(1), metrics(1)), bad])
        assert archive.count() == 0


def test_a_batch_is_stored_whole_or_not_at_all(tmp_path: Path) -> None:
    unserialisable = Architecture({"kernel": object()})  # type: ignore[dict-item]
    with open_archive(tmp_path / "a.sqlite") as archive:
        with pytest.raises(TypeError):
            archive.record_many([Record("a", arch(1), metrics(1)), Record("b", unserialisable)])
        assert archive.ids() == []
        archive.record("c", arch(3), metrics(3))
        assert archive.ids() == ["c"]


@settings(max_examples=25, deadline=None)
@given(
    batches=st.lists(
        st.lists(
            st.tuples(
                st.integers(0, 8), st.sampled_from(["accuracy", "macs"]), st.floats(-1e9, 1e9)
            ),
            max_size=4,
        ),
        max_size=6,
    )
)
def test_the_archive_is_a_dictionary_that_remembers_the_order(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[tuple[int, str, float]]]
) -> None:
    expected: dict[str, dict[str, float]] = {}
    with open_archive(tmp_path_factory.mktemp("archive") / "a.sqlite") as archive:
        for batch in batches:
            for number, name, value in batch:
                expected.setdefault(f"id{number}", {})[name] = value
            archive.record_many(
                Record(f"id{number}", arch(number), {name: Metric(value, MEASURED)})
                for number, name, value in batch
            )
        rows = archive.rows()
    assert [row.id for row in rows] == list(expected)
    assert [row.order for row in rows] == list(range(1, len(expected) + 1))
    for row in rows:
        assert {name: metric.value for name, metric in row.metrics.items()} == expected[row.id]


def test_the_same_records_give_the_same_tables(tmp_path: Path) -> None:
    dumps = []
    for name in ("one", "two"):
        path = tmp_path / f"{name}.sqlite"
        with open_archive(path) as archive:
            for number in range(20):
                archive.record(f"id{number}", arch(number), metrics(number))
        connection = sqlite3.connect(path)
        dumps.append(list(connection.iterdump()))
        connection.close()
    assert dumps[0] == dumps[1]


@pytest.mark.parametrize(
    "changes",
    [
        {"space_name": "ofa_mobilenet_v3"},
        {"space_options": {"classes": 100}},
        {"fingerprint": "beef"},
    ],
)
def test_an_archive_of_another_space_is_refused(
    tmp_path: Path, changes: dict[str, object]
) -> None:
    path = tmp_path / "a.sqlite"
    open_archive(path).close()
    with pytest.raises(RunError, match="another search space") as caught:
        open_archive(path, **changes)
    given = str(next(iter(changes.values()))).replace("'", '"')
    assert given in str(caught.value)


def test_reading_goes_on_while_a_search_writes(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with open_archive(path) as writer, Archive.read(path) as reader:
        writer.record("a", arch(1), metrics(1))
        assert reader.ids() == ["a"]
        writer._connection.execute("BEGIN IMMEDIATE")
        assert reader.rows()[0].metrics == metrics(1)
        writer._connection.execute("ROLLBACK")
        with pytest.raises(RunError, match="cannot open or write"):
            reader.record("b", arch(2), metrics(2))


def test_reading_works_in_a_folder_that_cannot_be_written(small_disk: Path) -> None:
    with open_archive(small_disk / "a.sqlite") as archive:
        archive.record("a", arch(1), metrics(1))
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with Archive.read(small_disk / "a.sqlite") as archive:
        assert archive.rows()[0].metrics == metrics(1)
    with pytest.raises(RunError, match="cannot open or write"):
        open_archive(small_disk / "a.sqlite").record("b", arch(2), metrics(2))


def test_two_writers_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with open_archive(path) as one, open_archive(path) as two:
        two._connection.execute("PRAGMA busy_timeout = 10")
        one._connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(RunError, match="in use by another process"):
            two.record("a", arch(1), metrics(1))
        one._connection.execute("ROLLBACK")


def filled(path: Path, rows: int = 2000) -> Path:
    with open_archive(path) as archive:
        archive.record_many(Record(f"id{n}", arch(n), metrics(n)) for n in range(rows))
    return path


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_a_truncated_archive_is_damaged(tmp_path: Path, share: float) -> None:
    path = filled(tmp_path / "a.sqlite")
    os.truncate(path, int(path.stat().st_size * share))
    for action in (lambda: open_archive(path), lambda: Archive.read(path)):
        with pytest.raises(RunError, match=r"a\.sqlite is damaged: .*Restore"):
            action()


def test_overwritten_pages_are_damage(tmp_path: Path) -> None:
    path = filled(tmp_path / "a.sqlite")
    content = bytearray(path.read_bytes())
    content[8192 : len(content) // 2] = b"\xa5" * (len(content) // 2 - 8192)
    path.write_bytes(content)
    with pytest.raises(RunError, match="damaged"):
        open_archive(path)


def test_what_is_no_archive_is_said(tmp_path: Path) -> None:
    text = tmp_path / "text.sqlite"
    text.write_text("this is no database at all, only a text file\n" * 100)
    with pytest.raises(RunError, match="damaged: file is not a database"):
        open_archive(text)
    foreign = tmp_path / "foreign.sqlite"
    connection = sqlite3.connect(foreign)
    connection.execute("CREATE TABLE studies (id)")
    connection.close()
    with pytest.raises(RunError, match="not the archive of a search"):
        open_archive(foreign)
    with pytest.raises(RunError, match=r"does not exist\. Run the search"):
        Archive.read(tmp_path / "missing.sqlite")
    with pytest.raises(RunError, match="cannot open or write"):
        open_archive(tmp_path / "missing" / "a.sqlite")


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = filled(tmp_path / "a.sqlite", rows=1)
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE meta SET schema = 99")
    connection.close()
    with pytest.raises(RunError, match="schema 99, this version reads 1"):
        open_archive(path)


def test_the_log_of_a_deleted_archive_is_not_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with open_archive(path) as archive:
        archive.record("a", arch(1), metrics(1))
        path.unlink()
        with pytest.raises(RunError, match=r"a\.sqlite-wal is still there"):
            open_archive(path)


def test_a_full_disk_loses_nothing_that_was_recorded(small_disk: Path) -> None:
    path = small_disk / "a.sqlite"
    recorded: list[str] = []

    def fill(archive: Archive) -> None:
        for number in range(10_000):
            archive.record(f"id{number}", arch(number), metrics(number))
            recorded.append(f"id{number}")

    with open_archive(path) as archive:
        with pytest.raises(RunError, match="disk full while writing"):
            fill(archive)
        assert len(recorded) > 0
        assert archive.ids() == recorded
    subprocess.run(["mount", "-o", "remount,size=2m", str(small_disk)], check=True)
    with open_archive(path) as archive:
        assert archive.ids() == recorded
        archive.record("more", arch(1), metrics(1))
        assert archive.count() == len(recorded) + 1


def test_a_disk_that_is_full_from_the_start_leaves_no_archive(small_disk: Path) -> None:
    (small_disk / "filler").write_bytes(b"x" * (252 * 1024))
    with pytest.raises(RunError, match="disk full while writing"):
        open_archive(small_disk / "a.sqlite")
    assert [entry.name for entry in small_disk.iterdir()] == ["filler"]


def test_a_full_disk_without_root(tmp_path: Path) -> None:
    with open_archive(tmp_path / "a.sqlite") as archive:
        pages = archive._connection.execute("PRAGMA page_count").fetchone()[0]
        archive._connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(RunError, match="disk full while writing"):
            archive.record_many(Record(f"id{n}", arch(n), metrics(n)) for n in range(500))
        assert archive.count() == 0


_WRITER = """
import sys
from pathlib import Path
from test_archive import Record, arch, metrics, open_archive
with open_archive(Path(sys.argv[1])) as archive:
    start = archive.count() // 3
    for batch in range(start, 10**9):
        numbers = range(3 * batch, 3 * batch + 3)
        archive.record_many(Record(f"id{n}", arch(n), metrics(n)) for n in numbers)
        print(batch, flush=True)
"""


def test_a_killed_process_loses_no_committed_batch_and_no_batch_is_half(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    root = Path(__file__).resolve().parents[2]
    env = {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{Path(__file__).parent}"}
    for kill in range(4):
        writer = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE, text=True, env=env
        )
        assert writer.stdout is not None
        reported = [int(writer.stdout.readline()) for _ in range(20 + 7 * kill)]
        writer.send_signal(signal.SIGKILL)
        reported += [int(line) for line in writer.stdout.read().split()]
        writer.stdout.close()
        assert writer.wait() == -signal.SIGKILL
        with Archive.read(path) as archive:
            rows = archive.rows()
        assert len(rows) % 3 == 0
        # At most the one batch that was committed but not yet reported is there on top.
        assert len(rows) // 3 - (reported[-1] + 1) in (0, 1)
        for number, row in enumerate(rows):
            assert (row.id, row.metrics) == (f"id{number}", metrics(number))
            assert row.architecture == arch(number)


def test_an_archive_holds_no_python_objects(tmp_path: Path) -> None:
    path = filled(tmp_path / "a.sqlite", rows=3)
    connection = sqlite3.connect(path)
    for table, column in (("architectures", "choices"), ("metrics", "provenance")):
        found = connection.execute(f"SELECT {column} FROM {table}").fetchall()
        assert len(found) >= 3
        assert all(isinstance(json.loads(text), dict) for (text,) in found)
    connection.close()
