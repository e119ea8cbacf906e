"""Writing whole files, and adding lines that survive a kill."""

from __future__ import annotations

from pathlib import Path

from predictors.errors import TableError
from search_spaces.files import add_line, replacing

__all__ = ["append_line", "write_bytes", "write_text"]


def write_text(path: Path, text: str) -> None:
    """Write a whole file: readers see the old contents or the new, never a part.

    Raises:
        TableError: The disk is full, or the folder is missing or not writable.
    """
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Do the same with bytes.

    Raises:
        TableError: As `write_text`.
    """
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(data)
    except OSError as error:
        raise _refused(path, error) from error


def append_line(path: Path, line: str) -> None:
    """Add a line to a file and wait until it is on disk; what was cut short goes first.

    Raises:
        TableError: The disk is full, or the file is not writable.
    """
    try:
        add_line(path, line, sync=True)
    except OSError as error:
        raise _refused(path, error) from error


def _refused(path: Path, error: OSError) -> TableError:
    return TableError(
        f"Cannot write {path}: {error.strerror}. What was measured before is on disk; make room, "
        "or choose a folder that exists and that you may write to, and run the command again."
    )
