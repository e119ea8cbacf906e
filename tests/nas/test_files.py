"""Atomic files: whole or not at all, on a disk that is really full, and after a kill."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nas.errors import RunError
from nas.files import atomic_path, atomic_write, remove_leftovers


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_writes_text_and_bytes_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    atomic_write(path, "größe")
    assert path.read_text(encoding="utf-8") == "größe"
    atomic_write(path, b"\x00\x01")
    assert path.read_bytes() == b"\x00\x01"
    assert names(tmp_path) == ["a.json"]


def test_a_file_gets_the_usual_permissions(tmp_path: Path) -> None:
    atomic_write(tmp_path / "a", "x")
    (tmp_path / "b").write_text("x")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


@pytest.mark.parametrize("error", [ValueError("broken"), KeyboardInterrupt()])
def test_a_failing_block_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, error: BaseException
) -> None:
    path = tmp_path / "weights.safetensors"
    atomic_write(path, "old")

    def fail() -> None:
        with atomic_path(path) as temporary:
            assert temporary.parent == path.parent
            assert temporary.suffix == path.suffix
            temporary.write_text("new")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert path.read_text() == "old"
    assert names(tmp_path) == [path.name]


def test_a_full_disk_is_said_and_the_old_file_stays(small_disk: Path) -> None:
    path = small_disk / "state.json"
    atomic_write(path, "old")
    with pytest.raises(RunError, match=r"disk full while writing .*state\.json.*nothing was lost"):
        atomic_write(path, b"x" * 1_000_000)
    assert path.read_text() == "old"
    assert names(small_disk) == ["state.json"]


def test_a_full_disk_is_recognised_in_the_error_of_safetensors(small_disk: Path) -> None:
    from safetensors.numpy import save_file

    with (
        pytest.raises(RunError, match="disk full"),
        atomic_path(small_disk / "weights.safetensors") as temporary,
    ):
        save_file({"weight": np.zeros(100_000)}, temporary)
    assert names(small_disk) == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_without_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def full(handle: int) -> None:
        raise OSError(code, os.strerror(code))

    path = tmp_path / "state.json"
    atomic_write(path, "old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match="disk full"):
        atomic_write(path, "new")
    assert path.read_text() == "old"
    assert names(tmp_path) == [path.name]


def test_a_missing_folder_and_a_file_for_a_folder_are_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for folder in ("missing", "file"):
        with pytest.raises(RunError, match=r"cannot write .*a\.json: .*Choose"):
            atomic_write(tmp_path / folder / "a.json", "x")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_said(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(RunError, match="Permission denied"):
        atomic_write(tmp_path / "a.json", "x")


def test_an_unrelated_error_of_the_block_keeps_its_type(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "a"):
        (tmp_path / "source that is not there").read_text()


_WRITER = """
import sys
from nas.files import atomic_write
print("ready", flush=True)
for step in range(10**9):
    atomic_write(sys.argv[1], str(step % 10) * 200_000)
"""


def test_a_reader_never_sees_a_part_and_a_kill_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "state"
    atomic_write(path, "0" * 200_000)
    writer = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    writer.stdout.readline()
    seen = set()
    while len(seen) < 5:
        text = path.read_text()
        assert text == text[0] * 200_000
        seen.add(text[0])
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    text = path.read_text()
    assert text == text[0] * 200_000
    remove_leftovers(tmp_path)
    assert names(tmp_path) == ["state"]
