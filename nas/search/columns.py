"""Arrays that grow at their end."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Column"]


class Column:
    """An array that grows at its end in amortised constant time."""

    def __init__(self, empty: NDArray[Any]) -> None:
        self._data = empty
        self._length = 0

    def __len__(self) -> int:
        return self._length

    @property
    def view(self) -> NDArray[Any]:
        """The filled part."""
        return self._data[: self._length]

    def append(self, rows: NDArray[Any]) -> None:
        """Add rows at the end."""
        length = self._length + len(rows)
        if length > len(self._data):
            shape = (max(length, 2 * len(self._data)), *self._data.shape[1:])
            grown = np.empty(shape, dtype=self._data.dtype)
            grown[: self._length] = self.view
            self._data = grown
        self._data[self._length : length] = rows
        self._length = length
