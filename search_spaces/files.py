"""Files, and lines of logs, that are there whole or not at all, whatever ends the process."""

from __future__ import annotations

import errno
import io
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["WRITING", "add_line", "replacing"]

WRITING = ".writing-"
"""How the names of files begin that are being written."""

_CHUNK = 4096


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` that takes its place when the block succeeds.

    The temporary name keeps the suffix, because some writers look at it. If the block fails, it
    is removed and `path` is what it was before.

    Args:
        path: The file to create or to replace; its folder must exist.

    Yields:
        A path in the same folder, where nothing is yet; the block must create a file there.

    Raises:
        OSError: The disk is full, or the folder is missing or not writable.
    """
    temporary = path.with_name(f"{WRITING}{secrets.token_hex(4)}-{path.name}")
    try:
        yield temporary
        _sync(temporary)
        temporary.replace(path)
        if os.name != "nt":  # Windows syncs no folders
            _sync(path.parent)
    except BaseException:  # a Ctrl-C must clean up too; always raised again
        if path.parent.is_dir():
            temporary.unlink(missing_ok=True)
        raise


def add_line(path: Path, line: str, *, sync: bool = False) -> None:
    """Add a line to a log; what a killed process left of its last line goes first.

    Args:
        path: The log, created where it is missing.
        line: Without its end.
        sync: Wait until it survives a power cut.

    Raises:
        OSError: The disk is full or the file not writable; earlier lines are intact.
    """
    data = line.encode() + b"\n"
    with path.open("ab+", buffering=0) as file:
        end = _end_of_lines(file)
        file.truncate(end)
        try:
            if file.write(data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        except OSError:
            file.truncate(end)
            raise
        if sync:
            os.fsync(file.fileno())


def _end_of_lines(file: io.FileIO) -> int:
    """Return the position after the last whole line."""
    end = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - _CHUNK)
        file.seek(start)
        newline = file.read(end - start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0


def _sync(path: Path) -> None:
    """Make a file's contents, or a folder's list of names, survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
