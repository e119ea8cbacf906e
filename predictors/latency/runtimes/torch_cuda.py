"""Torch on a CUDA GPU, replayed as CUDA graphs."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from predictors.errors import MeasurementError
from predictors.latency.runtimes.base import Run
from predictors.latency.runtimes.torch_eager import TorchEager
from search_spaces.optional import import_optional

if TYPE_CHECKING:
    from predictors.latency.models import Model

__all__ = ["TorchCuda"]

_WARM_UPS = 3


class TorchCuda(TorchEager):
    """Runs modules on torch's current CUDA device in inference mode and float32.

    A network is recorded once as a CUDA graph. A run launches the graph and waits for its end,
    so it takes what the kernels take and one launch, and not what Python takes to launch each
    kernel. Convolutions may use TF32, as torch does unless it is told otherwise.
    """

    name = "torch_cuda"

    def __init__(self) -> None:
        self._pool: Any = None

    def version(self) -> str:
        """Return the installed version of torch.

        Raises:
            MeasurementError: There is no GPU that it can use.
            MissingExtraError: It is not installed.
        """
        return str(_package().__version__)

    def accelerator(self) -> str:
        """Return the name of the GPU; nothing where there is none."""
        torch = _torch()
        return str(torch.cuda.get_device_name()) if torch.cuda.is_available() else ""

    def prepare(self, model: Model, *, threads: int) -> Run:
        """Copy the network to the GPU and record it; the run returns its output, on the GPU.

        All graphs share one pool of memory, since they run one at a time: a run's output holds
        until another network of this runtime runs.

        Raises:
            MeasurementError: There is no GPU, its memory is full, or the network cannot be
                recorded, for example because it reads values back to the CPU.
        """
        torch = _package()
        generator = torch.Generator().manual_seed(0)
        with self.measuring(threads=threads):
            try:
                inputs = [torch.randn(s, generator=generator).cuda() for s in model.input_shapes]
                module = copy.deepcopy(model.module()).eval().cuda()
                _warm_up(torch, module, inputs)
                self._pool = self._pool or torch.cuda.graph_pool_handle()
                graph = torch.cuda.CUDAGraph()
                with torch.cuda.graph(graph, pool=self._pool):
                    output = module(*inputs)
            except RuntimeError as error:
                reason = " ".join(str(error).split())
                raise MeasurementError(
                    f"This network cannot be recorded as a CUDA graph: {reason:.300}. Runtime "
                    "`torch` runs it on the CPU."
                ) from error

        def run() -> object:
            graph.replay()
            torch.cuda.synchronize()
            return output

        return run


def _warm_up(torch: Any, module: Any, inputs: list[Any]) -> None:
    """Run a module on a stream of its own, as recording demands; libraries choose kernels."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(_WARM_UPS):
            module(*inputs)
    torch.cuda.current_stream().wait_stream(stream)


def _torch() -> Any:
    return import_optional("torch", extra="full", purpose="Measuring latency with torch")


def _package() -> Any:
    """Return torch.

    Raises:
        MeasurementError: It sees no GPU.
    """
    torch = _torch()
    if not torch.cuda.is_available():
        raise MeasurementError(
            f"The runtime 'torch_cuda' needs a CUDA GPU, but torch {torch.__version__} sees none "
            "here. Install a CUDA build of torch and the GPU's driver, or choose the runtime "
            "'torch', which runs on the CPU."
        )
    return torch
