"""Torch, compiled by TorchInductor, on the CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from predictors.errors import MeasurementError
from predictors.latency.runtimes.base import Run
from predictors.latency.runtimes.torch_eager import TorchEager
from search_spaces.optional import import_optional

if TYPE_CHECKING:
    from predictors.latency.models import Model

__all__ = ["TorchCompiled"]


class TorchCompiled(TorchEager):
    """Runs modules that `torch.compile` has compiled, in inference mode and float32.

    It needs a C++ compiler. Every network is compiled when it is prepared, which lasts seconds
    for a block and longer for a whole network, so a table takes much longer to build than one
    of eager torch.
    """

    name = "torch_compile"

    def prepare(self, model: Model, *, threads: int) -> Run:
        """Compile the network's module for a number of threads, which becomes part of its code.

        The module is exported first, since a compiled function belongs to its Python code:
        blocks of one class share theirs, and after eight of them torch would refuse the next.

        Raises:
            MeasurementError: It cannot be exported or compiled, or there is no C++ compiler.
        """
        torch = import_optional(
            "torch", extra="full", purpose="Measuring latency with torch.compile"
        )
        generator = torch.Generator().manual_seed(0)
        inputs = tuple(torch.randn(shape, generator=generator) for shape in model.input_shapes)
        module = model.module().eval()
        with self.measuring(threads=threads):
            try:
                graph = torch.export.export(module, inputs).module()
                compiled: Any = torch.compile(graph, fullgraph=True, dynamic=False)
                compiled(*inputs)
            except RuntimeError as error:  # TorchDynamo's and TorchInductor's are among them
                reason = " ".join(str(error).split())
                raise MeasurementError(
                    f"torch.compile cannot compile this network: {reason:.300}. It needs a C++ "
                    "compiler (g++ or clang++); runtime `torch` needs none."
                ) from error

        def run() -> object:
            return compiled(*inputs)

        return run
