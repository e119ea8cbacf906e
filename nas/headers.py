"""The header of a file or folder of this engine: what it is, and what it was made for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nas.errors import CheckpointError, NasError

__all__ = ["changes", "refuse_foreign"]


def refuse_foreign(
    header: Mapping[str, Any],
    where: object,
    *,
    kind: str,
    format: int,
    error: type[NasError] = CheckpointError,
) -> None:
    """Refuse what is of another kind, or in a newer format than this version reads.

    Args:
        header: With ``kind`` and ``format``.
        where: The file or folder, for messages.
        kind: What it must be, such as ``nas run``.
        format: The newest that is read.
        error: What to raise.

    Raises:
        NasError: It is; of the class ``error``.
    """
    noun = kind.removeprefix("nas ")
    if header.get("kind") != kind or not isinstance(header.get("format"), int):
        raise error(f"{where} is no {noun} of this engine.")
    if header["format"] > format:
        raise error(
            f"{where} has {noun} format {header['format']}, this version reads up to {format}. "
            "Upgrade subnet-search to the version that wrote it."
        )


def changes(stored: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    """Return what is expected to be otherwise than it was stored, in words; empty if nothing."""
    return [
        f"{key} was {stored.get(key)!r}, now it is {value!r}"
        for key, value in expected.items()
        if stored.get(key) != value
    ]
