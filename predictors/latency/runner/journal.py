"""The journal of a table that is being built: one line for every finished round.

It lies beside the table as ``<table>.partial`` and goes when the table is written. Its first
line says what is being measured, so that rounds of another space, device or runtime are never
mixed in.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from predictors.errors import TableError
from predictors.latency.fields import Fields
from predictors.latency.files import append_line, write_text
from predictors.latency.runner.identity import Identity
from predictors.latency.runner.timing import Round

__all__ = ["Journal", "round_json", "round_of"]

_FORMAT, _VERSION = "latency-table-journal", 1


class Journal:
    """Finished rounds on disk.

    Args:
        path: Of the journal; continued where it exists.
        identity: Of the measurement.
        plan: Digest of the plan.
        started: ISO date at which a new measurement begins.

    Raises:
        TableError: The journal is of another measurement, or cannot be written.
    """

    def __init__(self, path: Path, identity: Identity, *, plan: str, started: str) -> None:
        self.path = path
        self.started = started
        self._rounds: dict[int, list[Round]] = {}
        if path.exists():
            self._read(identity, plan)
            return
        header = {"format": _FORMAT, "version": _VERSION, "plan": plan, "started": started}
        write_text(path, json.dumps(header | identity.to_json()) + "\n")

    def _read(self, identity: Identity, plan: str) -> None:
        *lines, _ = self.path.read_text(encoding="utf-8", errors="replace").split("\n")
        if not lines:
            raise TableError(f"{self.path} is empty. Delete it and run the command again.")
        header = self._parse(lines[0], 1)
        if header.text("format") != _FORMAT or header.integer("version") != _VERSION:
            raise TableError(
                f"{self.path} is no journal that this version can continue. Delete it, or build "
                "the table elsewhere."
            )
        differences = Identity.from_json(header).differences(identity)
        if not differences and header.text("plan") != plan:
            differences = ["other calibration networks, validation networks or seed"]
        if differences:
            raise TableError(
                f"{self.path} holds rounds of another measurement: {'; '.join(differences)}. "
                "Finish that one, delete the file, or build the table under another name."
            )
        self.started = header.text("started")
        for number, line in enumerate(lines[1:], 2):
            entry = self._parse(line, number)
            self._rounds.setdefault(entry.integer("part"), []).append(round_of(entry))

    def _parse(self, line: str, number: int) -> Fields:
        where = f"{self.path}, line {number}"
        try:
            return Fields(json.loads(line), where)
        except ValueError as error:
            raise TableError(
                f"{where} is damaged: {error}. Delete the file and build the table again."
            ) from error

    def rounds(self, part: int) -> list[Round]:
        """Return the finished rounds of a part."""
        return list(self._rounds.get(part, []))

    def append(self, part: int, finished: Round) -> None:
        """Keep a finished round.

        Raises:
            TableError: The disk is full or the file not writable.
        """
        self._rounds.setdefault(part, []).append(finished)
        append_line(self.path, json.dumps({"part": part} | round_json(finished)))


def round_json(finished: Round) -> dict[str, Any]:
    """Return the fields of a round; samples are kept to a nanosecond."""
    return {
        "reference_ms": finished.reference_ms,
        "samples_ms": [round(sample, 6) for sample in finished.samples_ms.tolist()],
        "repeats": finished.repeats.tolist(),
    }


def round_of(fields: Fields) -> Round:
    """Read what `round_json` wrote.

    Raises:
        TableError: A field is missing, or a latency is not above zero.
    """
    samples = np.array(fields.numbers("samples_ms"), dtype=np.float64)
    repeats = np.array(fields.numbers("repeats"), dtype=np.int64)
    reference_ms = fields.number("reference_ms")
    if not (reference_ms > 0 and (samples > 0).all()):
        raise TableError(
            f"{fields.where} has a latency of zero or less. The file is damaged, or the clock "
            "of the device jumped; take the round out of the file, or measure again."
        )
    return Round(samples, repeats, reference_ms)
