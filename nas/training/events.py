"""Lines of metrics.jsonl as TensorBoard events, in the folder ``tensorboard`` of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from search_spaces.optional import import_optional

__all__ = ["Events", "event_log"]

_NO_SCALARS = ("kind", "step")


class Events(Protocol):
    """Takes lines of metrics."""

    def add(self, row: Mapping[str, Any]) -> None:
        """Write every number of a line under its step, as ``kind/key``."""


class _Nowhere:
    def add(self, row: Mapping[str, Any]) -> None:
        """Do nothing."""


class _TensorBoard:
    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def add(self, row: Mapping[str, Any]) -> None:
        """Write the numbers of a line."""
        for key, value in row.items():
            if key not in _NO_SCALARS and isinstance(value, int | float):
                self._writer.add_scalar(f"{row['kind']}/{key}", value, row["step"])


@contextmanager
def event_log(folder: Path, *, wanted: bool, step: int) -> Iterator[Events]:
    """Yield what takes lines of metrics: a writer of events, or nothing where none is wanted.

    Args:
        folder: Where to.
        wanted: Whether events are.
        step: Steps done; events of later ones, from before a kill, no longer count.

    Raises:
        MissingExtraError: They are wanted, and TensorBoard is not installed.
    """
    if not wanted:
        yield _Nowhere()
        return
    module = import_optional(
        "torch.utils.tensorboard", extra="tensorboard", purpose="Writing TensorBoard events"
    )
    with module.SummaryWriter(str(folder), purge_step=step + 1) as writer:
        yield _TensorBoard(writer)
