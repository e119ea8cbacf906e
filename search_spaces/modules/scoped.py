"""A context variable that torch.compile can trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Generic, TypeVar

import torch

__all__ = ["Scoped"]

_T = TypeVar("_T")


class Scoped(Generic[_T]):
    """A value for as long as a ``with`` block runs; other threads have their own.

    TorchDynamo (torch 2.11 to 2.13) traces no method of `ContextVar`, and its guards do not look
    at the dictionary that a `threading.local` has for the thread. So while it traces, the value
    lies in a plain attribute. Code that runs never sees it: a block begins and ends inside of what
    is traced, and its value becomes a part of that. A block around a compiled function is not seen
    in it; hand the value over, and begin the block inside.

    Args:
        name: Of the context variable.
        default: The value outside of all blocks.
    """

    def __init__(self, name: str, default: _T) -> None:
        self._running: ContextVar[_T] = ContextVar(name, default=default)
        self._traced = default

    def get(self) -> _T:
        """Return the value."""
        return self._traced if torch.compiler.is_dynamo_compiling() else self._running.get()

    @contextmanager
    def put(self, value: _T) -> Iterator[None]:
        """Let the value be this one inside the block."""
        if torch.compiler.is_dynamo_compiling():
            before, self._traced = self._traced, value
            try:
                yield
            finally:
                self._traced = before
        else:
            token = self._running.set(value)
            try:
                yield
            finally:
                self._running.reset(token)
