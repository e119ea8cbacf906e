"""The archive: every evaluation of a search, one row per architecture, the search's only state.

What `Archive.record` returned from is on disk: a kill or a power cut loses at most the evaluation
in flight. No row holds a time, so that the same seed gives the same rows.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Self

from nas.archive.database import Meta, connect, create, explained
from nas.archive.values import Evaluated, Metric, Proposal, Record
from nas.errors import RunError
from predictors.provenance import Provenance
from search_spaces.architecture import Architecture

__all__ = ["Archive"]


class Archive:
    """An open archive; make one with `Archive.open` or `Archive.read`, close it after use.

    Attributes:
        path: The database file.
        space_name: The search space that all architectures belong to.
        space_options: The arguments of the space's factory.
        fingerprint: The space's fingerprint.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, meta: Meta) -> None:
        self.path = path
        self.space_name = meta.space_name
        self.space_options: dict[str, Any] = json.loads(meta.space_options)
        self.fingerprint = meta.fingerprint
        self._connection = connection

    @classmethod
    def open(
        cls,
        path: Path | str,
        *,
        space_name: str,
        space_options: Mapping[str, Any],
        fingerprint: str,
    ) -> Self:
        """Open an archive to go on with it; make it where there is none.

        Raises:
            RunError: It belongs to another space, is damaged or in use, or the disk is full.
        """
        path = Path(path)
        meta = Meta(space_name, _dump(space_options), fingerprint)
        if not path.exists():
            create(path, meta)
        connection, found = connect(path)
        if found != meta:
            connection.close()
            raise RunError(
                f"archive {path} belongs to another search space: it was made for {found}, "
                f"this run has {meta}. Use the configuration it was made with, "
                "or a new run folder."
            )
        return cls(path, connection, found)

    @classmethod
    def read(cls, path: Path | str) -> Self:
        """Open an existing archive for reading only, also while a search writes it.

        Raises:
            RunError: It is missing, damaged or no archive.
        """
        return cls(Path(path), *connect(Path(path), read_only=True))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database; everything recorded is on disk already."""
        self._connection.close()

    def record(
        self,
        id: str,
        architecture: Architecture,
        metrics: Mapping[str, Metric],
        *,
        proposal: Proposal | None = None,
    ) -> None:
        """Store one evaluation, whole or not at all.

        Args:
            id: Id of the canonical architecture.
            architecture: Its choices.
            metrics: By name; a metric that was there before is replaced.
            proposal: Why it was evaluated.

        Raises:
            RunError: A value is not finite, the disk is full, or the file is damaged or in use.
        """
        self.record_many([Record(id, architecture, metrics, proposal)])

    def record_many(self, records: Iterable[Record]) -> None:
        """Store several evaluations in one transaction: all of them or none.

        Raises:
            RunError: A value is not finite, the disk is full, or the file is damaged or in use.
        """
        records = list(records)
        for record in records:
            for name, metric in record.metrics.items():
                if not math.isfinite(metric.value):
                    raise RunError(
                        f"{name} of architecture {record.id} is {metric.value}, which is no "
                        "result. Record it as a failed evaluation with its reason."
                    )
        with explained(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                for record in records:
                    self._insert(record)
                self._connection.execute("COMMIT")
            except BaseException:  # a Ctrl-C must roll back too; always raised again
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def _insert(self, record: Record) -> None:
        execute, id = self._connection.execute, record.id
        execute(
            "INSERT INTO architectures (id, choices) VALUES (?, ?) ON CONFLICT DO NOTHING",
            (id, json.dumps(record.architecture.to_json())),
        )
        self._connection.executemany(
            "INSERT OR REPLACE INTO metrics VALUES (?, ?, ?, ?)",
            [
                (id, name, float(metric.value), _dump(metric.provenance.to_json()))
                for name, metric in record.metrics.items()
            ],
        )
        if record.metrics:
            execute("DELETE FROM failures WHERE id = ?", (id,))
        if record.failure:
            execute("INSERT OR REPLACE INTO failures VALUES (?, ?)", (id, record.failure))
        if record.proposal is not None:
            why = record.proposal
            execute(
                "INSERT INTO proposals (id, round, operator, parents) VALUES (?, ?, ?, ?)",
                (id, why.round, why.operator, json.dumps(why.parents)),
            )

    def get(self, id: str, name: str) -> Metric | None:
        """Return one metric of one architecture, None where there is none."""
        query = "SELECT value, provenance FROM metrics WHERE id = ? AND name = ?"
        rows = self._select(query, id, name)
        return Metric(rows[0][0], _provenance(rows[0][1])) if rows else None

    def ids(self) -> list[str]:
        """Return the ids of all architectures ever proposed, failed ones too, first seen first."""
        return [row[0] for row in self._select("SELECT id FROM architectures ORDER BY position")]

    def count(self) -> int:
        """Return the number of architectures ever proposed, failed ones too."""
        return int(self._select("SELECT COUNT(*) FROM architectures")[0][0])

    def failures(self) -> dict[str, str]:
        """Return why evaluations failed, by id, first seen first."""
        return dict(
            self._select(
                "SELECT id, reason FROM failures JOIN architectures USING (id) ORDER BY position"
            )
        )

    def proposals(self) -> list[tuple[str, Proposal]]:
        """Return the id and the reason of each proposal, in the order in which they were made."""
        rows = self._select("SELECT id, round, operator, parents FROM proposals ORDER BY position")
        return [(row[0], Proposal(row[1], row[2], tuple(json.loads(row[3])))) for row in rows]

    def rows(self, order: Literal["first seen", "id"] = "first seen") -> list[Evaluated]:
        """Return all architectures that were evaluated with success, with their metrics."""
        by = "id" if order == "id" else "position"
        query = (  # one statement: a consistent view while a search goes on writing
            "SELECT id, choices, position, name, value, provenance FROM architectures "
            "JOIN metrics USING (id) WHERE id NOT IN (SELECT id FROM failures) "
            f"ORDER BY {by}, name"
        )
        rows: list[Evaluated] = []
        metrics: dict[str, Metric] = {}
        for id, choices, position, name, value, provenance in self._select(query):
            if not rows or rows[-1].id != id:
                metrics = {}
                rows.append(Evaluated(id, Architecture(json.loads(choices)), metrics, position))
            metrics[name] = Metric(value, _provenance(provenance))
        return rows

    def _select(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        with explained(self.path):
            return self._connection.execute(query, values).fetchall()


def _dump(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True)


@lru_cache(maxsize=1024)
def _provenance(text: str) -> Provenance:
    return Provenance.from_json(json.loads(text))
