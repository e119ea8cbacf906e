"""Torch, eager, on the CPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from predictors.latency.runtimes.base import Run, Runtime
from search_spaces.optional import import_optional

if TYPE_CHECKING:
    from predictors.latency.models import Model

__all__ = ["TorchEager"]


class TorchEager(Runtime):
    """Runs plain modules with torch's eager mode, in inference mode and float32."""

    name = "torch"

    def version(self) -> str:
        """Return the installed version."""
        return str(_package().__version__)

    def prepare(self, model: Model, *, threads: int) -> Run:
        """Build the network's module; threads are set by `measuring`."""
        torch = _package()
        module = model.module().eval()
        generator = torch.Generator().manual_seed(0)
        inputs = [torch.randn(shape, generator=generator) for shape in model.input_shapes]

        def run() -> object:
            return module(*inputs)

        return run

    def measuring(self, *, threads: int) -> AbstractContextManager[object]:
        """Return a context with the number of threads, in inference mode."""
        return _measuring(_package(), threads)


def _package() -> Any:
    return import_optional("torch", extra="full", purpose="Measuring latency with torch")


@contextmanager
def _measuring(torch: Any, threads: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.inference_mode():
            yield
    finally:
        torch.set_num_threads(before)
