"""The protocol of a runtime, in two halves: one converts on the host, one runs on the device.

Modules of runtimes are packed into the runner that goes to a device: when they are imported
they may import the standard library, numpy, and of ours this module, errors and
`search_spaces.optional`. The runtime itself, and whatever its converter needs, is imported in
the functions that use it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from predictors.latency.models import InputShape, Model

__all__ = ["FileRuntime", "Run", "Runtime", "random_inputs"]

Run: TypeAlias = Callable[[], object]
"""One run of a loaded network on a fixed input; what it returns is ignored.

It returns when the result is there: a runtime that works in the background waits for it.
"""


class Runtime(Protocol):
    """Loads networks and runs them.

    To add one: a class with these members in a file of its own, an entry in the registry (or
    an entry point of the group ``nas.latency_runtimes``), and its package in an extra. A
    runtime that loads networks from files is a `FileRuntime`, and can be measured on devices
    that have no more than Python, numpy and the runtime.
    """

    name: str

    def version(self) -> str:
        """Return the version of the runtime.

        Raises:
            MissingExtraError: It is not installed.
        """

    def accelerator(self) -> str:
        """Return what networks run on when it is not the CPU, else nothing."""
        return ""

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
        return nullcontext()


@runtime_checkable
class FileRuntime(Runtime, Protocol):
    """A runtime that reads networks from files; derive from it.

    Attributes:
        suffix: Of its files, for example ``.onnx``.
        slow_to_convert: Whether a network takes seconds, so that files are worth keeping when a
            measurement on this machine is stopped.
    """

    suffix: str
    slow_to_convert: bool = False

    def convert(self, model: Model) -> bytes:
        """Return the file of a network; the host half.

        Raises:
            MeasurementError: The network has no such form.
            MissingExtraError: What converts it is not installed.
        """

    def load(self, data: bytes, input_shapes: Sequence[InputShape], *, threads: int) -> Run:
        """Load a file and return a function that runs it; the device half.

        Args:
            data: What `convert` returned.
            input_shapes: Shapes of the inputs, the batch first.
            threads: Threads that one run may use.

        Raises:
            MeasurementError: The runtime cannot load it.
            MissingExtraError: The runtime is not installed.
        """

    def prepare(self, model: Model, *, threads: int) -> Run:
        """Convert a network and load it."""
        return self.load(self.convert(model), model.input_shapes, threads=threads)


def random_inputs(input_shapes: Sequence[InputShape]) -> list[NDArray[Any]]:
    """Return fixed random float32 inputs of the given shapes."""
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape, dtype=np.float32) for shape in input_shapes]
