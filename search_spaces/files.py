"""Files that are there whole or not at all, also after a kill, a power cut or a full disk."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["WRITING", "replacing"]

WRITING = ".writing-"
"""How the names of files begin that are being written."""


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


def _sync(path: Path) -> None:
    """Make a file's contents, or a folder's list of names, survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
