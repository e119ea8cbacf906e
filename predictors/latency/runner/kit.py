"""A kit: a folder with a plan, the networks as files, and, in the end, what was measured.

plan.json       what is measured, and how
models/         one file for every item of the plan
runner.pyz      this code
runner.journal  every finished round
result.json     all rounds, the plan, and what they were measured on
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from predictors.errors import TableError
from predictors.latency.fields import Fields
from predictors.latency.files import write_text
from predictors.latency.runner.campaign import Loader, Schedule, measure_schedule
from predictors.latency.runner.identity import Identity, SpaceIdentity
from predictors.latency.runner.journal import Journal, round_json
from predictors.latency.runner.options import LutOptions
from predictors.latency.runner.thermal import Cooler
from search_spaces.progress import Progress

__all__ = ["JOURNAL", "PLAN", "RESULT", "Kit", "Loading", "measure_kit", "read_kit", "timestamp"]

PLAN, JOURNAL, RESULT = "plan.json", "runner.journal", "result.json"
_FORMAT, _RESULT_FORMAT, _VERSION = "latency-kit", "latency-result", 1


def timestamp() -> str:
    """Return the date and time as ISO 8601, in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())


@dataclasses.dataclass(frozen=True)
class Kit:
    """A kit's plan.

    Attributes:
        folder: Of the kit.
        content: The plan as it is in the file.
        schedule: Which items are measured together.
        space: Whose blocks they are.
        runtime: Name of the runtime that the files are for.
        options: How to measure.
        files: Of every item, under the folder.
        input_shapes: Of every item.
    """

    folder: Path
    content: dict[str, Any]
    schedule: Schedule
    space: SpaceIdentity
    runtime: str
    options: LutOptions
    files: tuple[str, ...]
    input_shapes: tuple[tuple[tuple[int, ...], ...], ...]

    def path(self, position: int) -> Path:
        """Return the file of an item."""
        return self.folder / self.files[position]

    def data(self, position: int) -> bytes:
        """Read the file of an item.

        Raises:
            TableError: It is not there.
        """
        try:
            return self.path(position).read_bytes()
        except OSError as error:
            raise TableError(
                f"Cannot read {self.path(position)}: {error.strerror}. Copy the kit again; what "
                "was measured is kept."
            ) from error

    def is_finished(self) -> bool:
        """Return whether the result of this very plan is there."""
        try:
            result = json.loads((self.folder / RESULT).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return isinstance(result, dict) and result.get("plan") == self.content


def plan_json(
    *,
    schedule: Schedule,
    space: SpaceIdentity,
    runtime: str,
    options: LutOptions,
    items: Sequence[dict[str, Any]],
) -> dict[str, Any]:
    """Return the content of a plan's file; every item has ``file`` and ``input_shapes``."""
    content = {
        "format": _FORMAT,
        "version": _VERSION,
        "digest": schedule.digest,
        "space": space.to_json(),
        "runtime": runtime,
        "options": dataclasses.asdict(options),
        "parts": schedule.parts,
        "reference": schedule.reference,
        "items": list(items),
    }
    plain: dict[str, Any] = json.loads(json.dumps(content))
    return plain


def read_kit(folder: Path) -> Kit:
    """Read the plan of a kit.

    Raises:
        TableError: There is none, or it is damaged or of another version.
    """
    path = folder / PLAN
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TableError(
            f"{folder} is no kit: cannot read {PLAN}: {error.strerror}. Write one with: "
            "nas lut kit --space NAME --out DIR"
        ) from error
    except ValueError as error:
        raise TableError(f"{path} is damaged: {error}. Write the kit again.") from error
    return kit_of(folder, Fields(content, str(path)))


def kit_of(folder: Path, fields: Fields) -> Kit:
    """Return the kit that a plan describes.

    Raises:
        TableError: It is no plan, or damaged.
    """
    check_format(fields, _FORMAT)
    items = list(fields.items("items"))
    parts = tuple(tuple(part.integers()) for part in fields.items("parts"))
    try:
        options = LutOptions(**fields.object("options").value)
    except TypeError as error:
        raise TableError(f"{fields.where}: options: {error}. Write the kit again.") from error
    return Kit(
        folder,
        fields.value,
        Schedule(fields.text("digest"), parts, fields.integer("reference")),
        SpaceIdentity.from_json(fields.object("space")),
        fields.text("runtime"),
        options,
        tuple(item.text("file") for item in items),
        tuple(
            tuple(tuple(shape.integers()) for shape in item.items("input_shapes"))
            for item in items
        ),
    )


def check_format(fields: Fields, expected: str) -> None:
    """Refuse what is not in a format of this version.

    Raises:
        TableError: It is not.
    """
    value = fields.value if isinstance(fields.value, dict) else {}
    if value.get("format") != expected or value.get("version") != _VERSION:
        raise TableError(
            f'{fields.where} must have "format": "{expected}" and "version": {_VERSION}, got '
            f"{value.get('format')!r} and {value.get('version')!r}. Use the file that this "
            "version of the program wrote."
        )


@dataclasses.dataclass(frozen=True)
class Loading:
    """How the networks of a kit are brought to run.

    Attributes:
        identity: What they run on.
        load: Loads the item at a position.
        measuring: A context in which runs are timed.
        can_be_hot: Whether the temperature of this machine matters.
    """

    identity: Identity
    load: Loader
    measuring: Callable[[], AbstractContextManager[object]] = nullcontext
    can_be_hot: bool = True


def measure_kit(kit: Kit, loading: Loading, *, progress: Progress) -> Path:
    """Measure what the journal of a kit does not hold yet, and write its result.

    Returns:
        The result's path.

    Raises:
        TableError: The journal is of another measurement, or the disk is full.
        MeasurementError: A network cannot be run, or the device does not cool down.
    """
    digest = kit.schedule.digest
    journal = Journal(kit.folder / JOURNAL, loading.identity, plan=digest, started=timestamp())
    cooler = Cooler(kit.options.max_celsius)
    with loading.measuring():
        parts = measure_schedule(
            kit.schedule,
            loading.load,
            options=kit.options,
            journal=journal,
            progress=progress,
            cooler=cooler if loading.can_be_hot else None,
        )
    result = {
        "format": _RESULT_FORMAT,
        "version": _VERSION,
        **loading.identity.to_json(),
        "started": journal.started,
        "finished": timestamp(),
        "hottest_celsius": cooler.hottest,
        "rounds": [[round_json(finished) for finished in rounds] for rounds in parts],
        "plan": kit.content,
    }
    path = kit.folder / RESULT
    write_text(path, json.dumps(result))
    return path


def read_result(path: Path) -> Fields:
    """Read a result and check its format.

    Raises:
        TableError: It is missing, cut short, or something else.
    """
    try:
        fields = Fields(json.loads(path.read_text(encoding="utf-8")), str(path))
    except OSError as error:
        raise TableError(f"Cannot read the result {path}: {error.strerror}.") from error
    except ValueError as error:
        raise TableError(
            f"{path} is no result of a kit, or was cut short: {error}. Copy it from the device "
            f"again; the device still has it, and {JOURNAL} beside it."
        ) from error
    check_format(fields, _RESULT_FORMAT)
    return fields
