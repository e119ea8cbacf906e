"""Architecture: one option for each choice, as a value."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from search_spaces.choices import Option
from search_spaces.errors import SpaceError

__all__ = ["Architecture", "read_architecture"]


class Architecture(Mapping[str, Option]):
    """An immutable, hashable mapping from choice name to option.

    It knows nothing of its space: encoding, canonical form and id are asked of the
    `SearchSpace`. In JSON it is the plain object ``{"kernel_1_0": 5, ...}``.
    """

    __slots__ = ("_options",)

    def __init__(self, options: Mapping[str, Option]) -> None:
        self._options = dict(options)

    def __getitem__(self, name: str) -> Option:
        return self._options[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._options)

    def __len__(self) -> int:
        return len(self._options)

    def __hash__(self) -> int:
        return hash(frozenset(self._options.items()))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Architecture):
            return NotImplemented
        return self._options == other._options

    def __repr__(self) -> str:
        inside = ", ".join(f"{name}={option!r}" for name, option in self._options.items())
        return f"Architecture({inside})"

    def replace(self, **options: Option) -> Architecture:
        """Return a copy with some options changed."""
        return Architecture({**self._options, **options})

    def to_json(self) -> dict[str, Option]:
        """Return the plain JSON object choice -> option."""
        return dict(self._options)

    @classmethod
    def from_json(cls, value: Any) -> Architecture:
        """Read what `to_json` wrote.

        Raises:
            SpaceError: It is no object of names and plain options.
        """
        if not isinstance(value, Mapping):
            raise SpaceError(
                f"An architecture must be a JSON object choice -> option, got {value!r:.80}."
            )
        for name, option in value.items():
            if not isinstance(name, str) or not isinstance(option, int | float | str):
                raise SpaceError(f"Architecture option {name!r}: {option!r} is no plain option.")
        return cls(value)


def read_architecture(path: Path) -> Architecture:
    """Read an architecture file, a JSON object choice -> option.

    Files written by an export, with the object under ``architecture``, are read as well.

    Raises:
        SpaceError: The file is missing, no JSON, or no architecture.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SpaceError(f"Cannot read the architecture file {path}: {error.strerror}.") from error
    except ValueError as error:
        raise SpaceError(f"The architecture file {path} is no valid JSON: {error}.") from error
    if isinstance(value, dict) and isinstance(value.get("architecture"), dict):
        value = value["architecture"]
    return Architecture.from_json(value)
