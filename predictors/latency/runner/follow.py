"""Measuring in the background, and telling whoever listens what comes of it.

The one who listens may go away, with its connection, at any time: the runner goes on, and the
next one hears the rest.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from predictors.errors import MeasurementError
from predictors.latency.runner.kit import JOURNAL, Kit

try:
    import fcntl
except ModuleNotFoundError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["follow", "only_runner"]

_LOCK, _LOG = "runner.lock", "runner.log"
_LOOK_EVERY_S = 0.5


def follow(kit: Kit, offset: int, tell: Callable[[str, str], None]) -> bool:
    """Let a runner measure in the background, if none does, and tell what it writes.

    Args:
        kit: To be measured.
        offset: Bytes of the journal that are known already.
        tell: Called with ``"journal"`` or ``"log"`` and a line of it.

    Returns:
        Whether all is measured.
    """
    runner: subprocess.Popen[bytes] | None = None
    log = kit.folder / _LOG
    logged = log.stat().st_size if log.exists() else 0
    if not kit.is_finished() and not _is_running(kit.folder):
        runner = _start(kit.folder, log)
    running = True
    while running:
        # Asked before the files are read, so that their last lines are not missed.
        running = runner.poll() is None if runner else _is_running(kit.folder)
        offset = _tell_lines(kit.folder / JOURNAL, offset, lambda line: tell("journal", line))
        logged = _tell_lines(log, logged, lambda line: tell("log", line))
        if running:
            time.sleep(_LOOK_EVERY_S)
    return kit.is_finished()


def _start(folder: Path, log: Path) -> subprocess.Popen[bytes]:
    """Start this very program in a session of its own, where no hang-up reaches it."""
    command = [sys.executable, sys.argv[0], "--json", "--folder", str(folder)]
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def _tell_lines(path: Path, offset: int, tell: Callable[[str], None]) -> int:
    """Tell the whole lines of a file from a byte on; return the byte after them."""
    if not path.exists():
        return offset
    with path.open("rb") as file:
        file.seek(offset)
        data = file.read()
    whole = data.rfind(b"\n") + 1
    for line in data[:whole].decode(errors="replace").splitlines():
        tell(line)
    return offset + whole


@contextmanager
def only_runner(folder: Path) -> Iterator[None]:
    """Let one runner measure a kit at a time.

    Raises:
        MeasurementError: Another one does.
    """
    with (folder / _LOCK).open("a+") as file:
        if not _lock(file.fileno()):
            raise MeasurementError(f"Another runner measures {folder} already; let it finish.")
        yield


def _lock(descriptor: int) -> bool:
    """Return whether a file could be locked; it stays so until it is closed."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_running(folder: Path) -> bool:
    with (folder / _LOCK).open("a+") as file:
        return not _lock(file.fileno())
