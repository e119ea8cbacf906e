"""``nas work``: several processes search one trained supernet through one study."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nas.archive import Archive
from nas.cli import main
from nas.errors import RunError
from nas.runs import RunFolder

pytest.importorskip("optuna", reason="optuna is not installed")


@pytest.fixture
def trained(copied_run: Path) -> Path:
    """Return a copy of the trained run, without what its own search found."""
    for path in copied_run.glob("archive.sqlite*"):
        path.unlink()
    return copied_run


def test_two_workers_share_the_evaluations_of_one_search(trained: Path, tmp_path: Path) -> None:
    words = ["work", str(trained), "--study", str(tmp_path / "study.journal")]
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", "nas", *words, "--worker", name],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("one", "two")
    ]
    printed = [worker.communicate() for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], printed
    made = [int(out.split(" made ")[1].split()[0]) for out, _ in printed]
    assert sum(made) == 9
    with Archive.read(trained / "archive.sqlite") as archive:
        found = set(archive.ids())
        assert len(found) == 9
        assert len(archive.proposals()) == 9
    own = set()
    for path in sorted((trained / "workers").glob("*.sqlite")):
        with Archive.read(path) as archive:
            own |= set(archive.ids())
    assert own == found


def test_a_storage_that_is_away_ends_it_resumable(
    trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    monkeypatch.setattr("nas.search.optuna_bridge.shared.WAITS_S", (0.01,))
    monkeypatch.setattr("nas.search.optuna_bridge.storage.time.sleep", lambda seconds: None)
    url = "postgresql+psycopg://user:secret@127.0.0.1:9/none"
    assert main(["work", str(trained), "--study", url]) == 4
    error = capsys.readouterr().err
    assert "go on by the same command when the storage is back" in error
    assert "secret" not in error


def test_a_worker_has_a_name_of_its_own_and_finds_it_again(trained: Path) -> None:
    run = RunFolder.open(trained)
    with run.worker() as first, run.worker() as second:
        assert first != second
        with pytest.raises(RunError, match="is in use by process"), run.worker(first):
            pass
    with run.worker() as again:
        assert again == first
