"""Files that are there whole or not at all, also after a kill, a power cut or a full disk."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nas.errors import RunError
from search_spaces.files import WRITING, replacing

__all__ = ["atomic_path", "atomic_write", "disk_full", "remove_leftovers", "write_error"]

_LEFTOVERS = (f"{WRITING}*", ".tmp*")  # the second is how safetensors names its own
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # the disk, a quota, a limit of the process
_NOT_WRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR)


def disk_full(path: Path | str) -> RunError:
    """Return the error that says that `path` could not be written for want of space."""
    return RunError(
        f"disk full while writing {path}: nothing was lost, what was there before is intact. "
        "Free some space on that disk and run the command again; a run goes on with --resume."
    )


def write_error(path: Path | str, error: OSError) -> RunError:
    """Return the error that says why the system refused to write `path`."""
    if error.errno in _FULL:
        return disk_full(path)
    return RunError(
        f"cannot write {path}: {error.strerror}. "
        "Choose a place in a folder that exists and that you may write to."
    )


def _explain(error: BaseException, path: Path, temporary: Path) -> RunError | None:
    """Return our error for what a person can mend, None for anything else."""
    # Writers in Rust (safetensors) raise an exception of their own that quotes the system's.
    if any(f"os error {number})" in str(error) for number in _FULL):
        return disk_full(path)
    if not isinstance(error, OSError):
        return None
    ours = str(error.filename) == str(temporary)
    refused = error.errno in _NOT_WRITABLE or not path.parent.is_dir()
    return write_error(path, error) if error.errno in _FULL or (ours and refused) else None


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Give a temporary path beside `path` that takes its place when the block succeeds.

    The temporary name keeps the suffix, because some writers look at it. If the block fails, it
    is removed and `path` is what it was before.

    Args:
        path: The file to create or to replace; its folder must exist.

    Yields:
        A path in the same folder, where nothing is yet; the block must create a file there.

    Raises:
        RunError: The disk is full, or the folder is missing or not writable.
    """
    path = Path(path)
    temporary = path
    try:
        with replacing(path) as temporary:
            yield temporary
    except BaseException as error:
        explained = _explain(error, path, temporary)
        if explained is not None:
            raise explained from error
        raise


def atomic_write(path: Path | str, data: bytes | str) -> None:
    """Write a whole file: readers see the old contents or the new, never a part.

    Args:
        path: The file to create or to replace; its folder must exist.
        data: The contents; a `str` is written as UTF-8.

    Raises:
        RunError: The disk is full, or the folder is missing or not writable.
    """
    with atomic_path(path) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


def remove_leftovers(folder: Path) -> None:
    """Delete the temporary files of a process killed while it wrote into `folder`.

    Only the owner of the folder's lock may call this.
    """
    for pattern in _LEFTOVERS:
        for leftover in folder.glob(pattern):
            leftover.unlink(missing_ok=True)
