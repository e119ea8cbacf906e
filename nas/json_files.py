"""JSON objects on disk: one in a file, or one a line in a log that survives a kill."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nas.errors import RunError
from nas.files import write_error
from search_spaces.files import add_line

__all__ = ["append_line", "read_lines", "read_object"]


def append_line(path: Path, value: Mapping[str, Any]) -> None:
    """Add one line to a log; a number that is not finite becomes null.

    Args:
        path: The log, created where it is missing.
        value: A JSON object.

    Raises:
        RunError: The disk is full or the file not writable; earlier lines are intact.
    """
    finite = {
        key: None if isinstance(item, float) and not math.isfinite(item) else item
        for key, item in value.items()
    }
    try:
        add_line(path, json.dumps(finite, allow_nan=False))
    except OSError as error:
        raise write_error(path, error) from error


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a log, none where it is missing; a last line cut short is ignored.

    Raises:
        RunError: A whole line is damaged.
    """
    if not path.exists():
        return []
    *lines, _ = path.read_text(encoding="utf-8", errors="replace").split("\n")
    return [_parse(line, f"{path}, line {number},") for number, line in enumerate(lines, 1)]


def read_object(path: Path) -> dict[str, Any]:
    """Return the object in a file.

    Raises:
        RunError: The file is missing or damaged.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}.") from error
    return _parse(text, str(path))


def _parse(text: str, where: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise RunError(
            f"{where} is damaged: {error}. Restore it from a copy, or start a new run."
        ) from error
    if not isinstance(value, dict):
        raise RunError(f"{where} is damaged: it must hold a JSON object, not {text[:40]!r}.")
    return value
