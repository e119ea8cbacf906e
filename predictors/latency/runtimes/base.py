"""The protocol of a runtime."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol, TypeAlias

from predictors.latency.models import Model

__all__ = ["Run", "Runtime"]

Run: TypeAlias = Callable[[], object]
"""One run of a loaded network on a fixed input; what it returns is ignored."""


class Runtime(Protocol):
    """Loads networks and runs them.

    To add one: a class with these members in a file of its own, an entry in the registry (or
    an entry point of the group ``nas.latency_runtimes``), and its package in an extra.
    """

    name: str

    def version(self) -> str:
        """Return the version of the runtime.

        Raises:
            MissingExtraError: It is not installed.
        """

    def prepare(self, model: Model, *, threads: int) -> Run:
        """Load a network and return a function that runs it once on a fixed random input.

        Args:
            model: The network; `Model.onnx` or `Model.module` gives it in a form to load.
            threads: Threads that one run may use.

        Raises:
            MeasurementError: The runtime cannot load it.
            MissingExtraError: The runtime is not installed.
        """

    def measuring(self, *, threads: int) -> AbstractContextManager[object]:
        """Return a context in which runs are timed; what it changes is restored at its end."""
