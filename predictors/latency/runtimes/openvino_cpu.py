"""OpenVINO on the CPU."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from predictors.errors import MeasurementError
from predictors.latency.runtimes.base import FileRuntime, Run, random_inputs
from search_spaces.optional import import_optional

if TYPE_CHECKING:
    from predictors.latency.models import InputShape, Model

__all__ = ["OpenVino"]


class OpenVino(FileRuntime):
    """Runs ONNX graphs with OpenVINO's CPU plugin in float32, one request at a time."""

    name = "openvino"
    suffix = ".onnx"

    def __init__(self) -> None:
        self._core: Any = None

    def version(self) -> str:
        """Return the installed version."""
        return str(_package().__version__)

    def convert(self, model: Model) -> bytes:
        """Return the network as ONNX, which OpenVINO reads as it is."""
        return model.onnx()

    def load(self, data: bytes, input_shapes: Sequence[InputShape], *, threads: int) -> Run:
        """Compile a network for one stream of the given threads, each tied to a processor."""
        openvino = _package()
        self._core = self._core or openvino.Core()
        properties = {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            "ENABLE_CPU_PINNING": True,
            "INFERENCE_PRECISION_HINT": "f32",
        }
        try:
            model = self._core.read_model(io.BytesIO(data))
            request = self._core.compile_model(model, "CPU", properties).create_infer_request()
        except RuntimeError as error:
            reason = " ".join(str(error).split())
            raise MeasurementError(f"OpenVINO cannot load this network: {reason:.300}.") from error
        if len(model.inputs) != len(input_shapes):
            raise MeasurementError(
                f"The network has {len(model.inputs)} inputs, but {len(input_shapes)} shapes "
                f"were given: {list(input_shapes)}."
            )
        for position, values in enumerate(random_inputs(input_shapes)):
            request.set_input_tensor(position, openvino.Tensor(values))

        def run() -> None:
            request.infer()

        return run


def _package() -> Any:
    return import_optional("openvino", extra="openvino", purpose="Measuring latency with OpenVINO")
