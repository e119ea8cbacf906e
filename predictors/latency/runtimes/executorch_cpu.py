"""ExecuTorch on the CPU, with its XNNPACK backend."""

from __future__ import annotations

import importlib.metadata
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from predictors.errors import MeasurementError
from predictors.latency.runtimes.base import FileRuntime, Run, random_inputs
from search_spaces.optional import import_optional

if TYPE_CHECKING:
    from predictors.latency.models import InputShape, Model

__all__ = ["ExecuTorch"]


class ExecuTorch(FileRuntime):
    """Runs .pte files with ExecuTorch's XNNPACK kernels in float32.

    Its Python package needs torch on the device, too. Devices without it run ExecuTorch's own
    program by a command template.
    """

    name = "executorch"
    suffix = ".pte"
    slow_to_convert = True
    _threads: ClassVar[int | None] = None

    def version(self) -> str:
        """Return the installed version."""
        _package("executorch.runtime")
        return importlib.metadata.version("executorch")

    def convert(self, model: Model) -> bytes:
        """Export the network, and give all that XNNPACK can run to XNNPACK; takes seconds."""
        exir = _package("executorch.exir")
        xnnpack = _package("executorch.backends.xnnpack.partition.xnnpack_partitioner")
        import torch

        inputs = tuple(_channels_last(torch, torch.zeros(s)) for s in model.input_shapes)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of torch, about the converter's own code
                exported = torch.export.export(model.module().eval(), inputs)
                edge = exir.to_edge_transform_and_lower(
                    exported, partitioner=[xnnpack.XnnpackPartitioner()]
                )
                data: bytes = edge.to_executorch().buffer
        except (RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise MeasurementError(
                f"ExecuTorch cannot convert this network: {reason:.300}."
            ) from error
        return data

    def load(self, data: bytes, input_shapes: Sequence[InputShape], *, threads: int) -> Run:
        """Load a network; the run returns its outputs.

        Raises:
            MeasurementError: The runtime cannot load it, or loaded others with other threads.
            MissingExtraError: ExecuTorch or torch is not installed.
        """
        runtime, torch = _package("executorch.runtime"), _package("torch")
        self._use_threads(threads)
        inputs = [
            _channels_last(torch, torch.from_numpy(values))
            for values in random_inputs(input_shapes)
        ]
        try:
            program = runtime.Runtime.get().load_program(data)
            program.load_method("forward").execute(inputs)
        except (RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise MeasurementError(
                f"ExecuTorch cannot run this network with inputs {list(input_shapes)}: "
                f"{reason:.300}."
            ) from error

        def run() -> Any:
            # By way of the program, which keeps its methods: they do not keep its memory.
            return program.load_method("forward").execute(inputs)

        return run

    def _use_threads(self, threads: int) -> None:
        """Set the size of ExecuTorch's one pool of threads, which loaded networks point to."""
        if ExecuTorch._threads not in (None, threads):
            raise MeasurementError(
                f"ExecuTorch has one pool of threads in a process, and networks with "
                f"{ExecuTorch._threads} are loaded. Measure with {threads} in another process."
            )
        if ExecuTorch._threads is None:
            library = _package("executorch.extension.pybindings.portable_lib")
            library._unsafe_reset_threadpool(threads)
            ExecuTorch._threads = threads


def _channels_last(torch: Any, values: Any) -> Any:
    """Return images with the channels innermost in memory, as XNNPACK's kernels want them."""
    return values.contiguous(memory_format=torch.channels_last) if values.ndim == 4 else values


def _package(module: str) -> Any:
    return import_optional(module, extra="executorch", purpose="Measuring latency with ExecuTorch")
