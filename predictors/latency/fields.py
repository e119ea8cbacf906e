"""Reading JSON whose shape is not trusted: every wrong type is one clear error."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from predictors.errors import TableError

__all__ = ["Fields"]


class Fields:
    """A value from a file, with the place where it stands for error messages.

    Args:
        value: What `json.loads` gave.
        where: The file, then the keys on the way to the value.
    """

    def __init__(self, value: Any, where: str) -> None:
        self.value = value
        self.where = where

    def _wrong(self, expected: str) -> TableError:
        return TableError(
            f"{self.where} must be {expected}, got {self.value!r:.60}. The file is damaged or was "
            "changed by hand; restore it from a copy or build the table again."
        )

    def _get(self, key: str) -> Fields:
        if not isinstance(self.value, dict):
            raise self._wrong("an object")
        if key not in self.value:
            raise TableError(
                f"{self.where} lacks {key!r}. The file is damaged or was changed by hand; restore "
                "it from a copy or build the table again."
            )
        return Fields(self.value[key], f"{self.where}: {key}")

    def object(self, key: str) -> Fields:
        """Return an object."""
        field = self._get(key)
        if not isinstance(field.value, dict):
            raise field._wrong("an object")
        return field

    def optional_object(self, key: str) -> Fields | None:
        """Return an object, None where there is none."""
        return None if self._get(key).value is None else self.object(key)

    def items(self, key: str) -> Iterator[Fields]:
        """Return the items of a list."""
        field = self._get(key)
        if not isinstance(field.value, list):
            raise field._wrong("a list")
        for number, item in enumerate(field.value, 1):
            yield Fields(item, f"{field.where}, item {number}")

    def text(self, key: str) -> str:
        """Return a string."""
        field = self._get(key)
        if not isinstance(field.value, str):
            raise field._wrong("a string")
        return field.value

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of strings."""
        items = list(self.items(key))
        for item in items:
            if not isinstance(item.value, str):
                raise item._wrong("a string")
        return tuple(item.value for item in items)

    def integer(self, key: str) -> int:
        """Return a whole number."""
        return self._get(key)._integer()

    def _integer(self) -> int:
        if not isinstance(self.value, int) or isinstance(self.value, bool):
            raise self._wrong("a whole number")
        return self.value

    def integers(self) -> list[int]:
        """Return this very value, a list of whole numbers."""
        if not isinstance(self.value, list):
            raise self._wrong("a list of whole numbers")
        return [Fields(item, self.where)._integer() for item in self.value]

    def number(self, key: str) -> float:
        """Return a finite number; null stands for a number that does not exist, nan."""
        field = self._get(key)
        return math.nan if field.value is None else field._number()

    def numbers(self, key: str) -> tuple[float, ...]:
        """Return a list of finite numbers."""
        return tuple(item._number() for item in self.items(key))

    def _number(self) -> float:
        plain = isinstance(self.value, int | float) and not isinstance(self.value, bool)
        if not plain or not math.isfinite(self.value):
            raise self._wrong("a finite number")
        return float(self.value)
