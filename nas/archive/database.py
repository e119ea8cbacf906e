"""The archive's database: its tables, how it is made and opened, and what SQLite's errors mean.

SQLite in write-ahead mode with full synchronisation: a committed transaction survives a kill and
a power cut, and readers never wait for the writer.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path

from nas.errors import RunError
from nas.files import atomic_path, disk_full

__all__ = ["Meta", "connect", "create", "explained"]

SCHEMA = 1
_APPLICATION = 0x4E415341  # marks the file as an archive
_TABLES = """
CREATE TABLE meta (
    schema INTEGER NOT NULL, space_name TEXT NOT NULL, space_options TEXT NOT NULL,
    fingerprint TEXT NOT NULL
);
CREATE TABLE architectures (
    position INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, choices TEXT NOT NULL
);
CREATE TABLE metrics (
    id TEXT NOT NULL REFERENCES architectures (id), name TEXT NOT NULL, value REAL NOT NULL,
    provenance TEXT NOT NULL, PRIMARY KEY (id, name)
) WITHOUT ROWID;
CREATE TABLE failures (
    id TEXT PRIMARY KEY REFERENCES architectures (id), reason TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE proposals (
    position INTEGER PRIMARY KEY, id TEXT NOT NULL REFERENCES architectures (id),
    round INTEGER NOT NULL, operator TEXT NOT NULL, parents TEXT NOT NULL
);
"""
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_IN_USE = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_REFUSED = (
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_PERM,
)


@dataclass(frozen=True, slots=True)
class Meta:
    """Which search space an archive belongs to; the options are JSON text with sorted keys."""

    space_name: str
    space_options: str
    fingerprint: str

    def __str__(self) -> str:
        return f"{self.space_name} {self.space_options} ({self.fingerprint})"


def create(path: Path, meta: Meta) -> None:
    """Make an empty archive; it appears under its name only when it is complete.

    Raises:
        RunError: The disk is full, the folder is not writable, or the log of another archive
            that had this name is still there.
    """
    if _log(path).exists():
        raise RunError(
            f"archive {path} is gone but its log {_log(path).name} is still there. "
            "Put the archive back, or delete the log too."
        )
    with (
        explained(path),
        atomic_path(path) as temporary,
        closing(sqlite3.connect(temporary, isolation_level=None)) as connection,
    ):
        connection.execute("PRAGMA synchronous = OFF")  # atomic_path syncs the whole file
        connection.execute(f"PRAGMA application_id = {_APPLICATION}")
        connection.executescript(_TABLES)
        connection.execute("INSERT INTO meta VALUES (?, ?, ?, ?)", (SCHEMA, *astuple(meta)))
        connection.execute("PRAGMA journal_mode = WAL")  # kept in the file


def connect(path: Path, *, read_only: bool = False) -> tuple[sqlite3.Connection, Meta]:
    """Open an archive and check that it is whole.

    Raises:
        RunError: It is missing, damaged, no archive, or of another schema.
    """
    if not path.is_file():
        raise RunError(f"archive {path} does not exist. Run the search first.")
    if path.stat().st_size == 0:
        raise _damaged(path, "it is empty")
    uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rw'}"
    if read_only and not os.access(path.parent, os.W_OK) and not _log(path).exists():
        uri += "&immutable=1"  # SQLite could not make its log there, and needs none
    with explained(path):
        connection = sqlite3.connect(uri, uri=True, timeout=30.0, isolation_level=None)
        try:
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            return connection, _checked(path, connection)
        except BaseException:  # the handle must not stay open; always raised again
            connection.close()
            raise


def _log(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _checked(path: Path, connection: sqlite3.Connection) -> Meta:
    if connection.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION:
        raise RunError(f"{path} is a database, but not the archive of a search.")
    problem = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if problem != "ok":
        raise _damaged(path, problem)
    schema, *meta = connection.execute("SELECT * FROM meta").fetchone()
    if schema != SCHEMA:
        raise RunError(
            f"archive {path} has schema {schema}, this version reads {SCHEMA}. "
            "Use the version of subnet-search that wrote it."
        )
    return Meta(*meta)


def _damaged(path: Path, why: object) -> RunError:
    return RunError(
        f"archive {path} is damaged: {why}. Restore it from a copy, or search in a new run folder."
    )


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what SQLite says into what a person can act on.

    Raises:
        RunError: The disk is full, or the archive is damaged, in use or not accessible.
    """
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code == sqlite3.SQLITE_FULL:
            raise disk_full(path) from error
        if code in _DAMAGED:
            raise _damaged(path, error) from error
        if code in _IN_USE:
            raise RunError(f"archive {path} is in use by another process: {error}.") from error
        if code in _REFUSED:
            raise RunError(f"cannot open or write the archive {path}: {error}.") from error
        raise
