"""ONNX Runtime on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from predictors.errors import MeasurementError
from predictors.latency.runtimes.base import FileRuntime, Run, random_inputs
from search_spaces.optional import import_optional

if TYPE_CHECKING:
    from predictors.latency.models import InputShape, Model

__all__ = ["OnnxRuntime"]

_PROVIDER = "CPUExecutionProvider"
_ERRORS_ONLY = 3


class OnnxRuntime(FileRuntime):
    """Runs ONNX graphs with ONNX Runtime's CPU provider and all its graph optimisations."""

    name = "onnxruntime"
    suffix = ".onnx"

    def version(self) -> str:
        """Return the installed version."""
        return str(_package().__version__)

    def convert(self, model: Model) -> bytes:
        """Return the network as ONNX."""
        return model.onnx()

    def load(self, data: bytes, input_shapes: Sequence[InputShape], *, threads: int) -> Run:
        """Load a network; inputs and outputs are bound, so a run copies nothing."""
        runtime = _package()
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        # Hundreds of loaded networks have a thread pool each: none may spin between runs.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        state = runtime.capi.onnxruntime_pybind11_state
        try:
            session = runtime.InferenceSession(data, options, providers=[_PROVIDER])
        except (
            state.Fail,
            state.InvalidGraph,
            state.InvalidProtobuf,
            state.NotImplemented,
        ) as error:
            reason = str(error).strip().splitlines()[0]
            raise MeasurementError(f"ONNX Runtime cannot load this network: {reason}.") from error
        binding = _bind(runtime, session, input_shapes)

        def run() -> None:
            session.run_with_iobinding(binding)

        return run


def _package() -> Any:
    return import_optional(
        "onnxruntime", extra="latency", purpose="Measuring latency with ONNX Runtime"
    )


def _bind(runtime: Any, session: Any, input_shapes: Sequence[InputShape]) -> Any:
    """Return a binding of random inputs and of outputs that the first run allocates."""
    inputs = session.get_inputs()
    if len(inputs) != len(input_shapes):
        raise MeasurementError(
            f"The network has {len(inputs)} inputs, but {len(input_shapes)} shapes were "
            f"given: {list(input_shapes)}."
        )
    binding = session.io_binding()
    for entry, values in zip(inputs, random_inputs(input_shapes), strict=True):
        binding.bind_ortvalue_input(entry.name, runtime.OrtValue.ortvalue_from_numpy(values))
    names = [entry.name for entry in session.get_outputs()]
    for name in names:
        binding.bind_output(name, "cpu")
    session.run_with_iobinding(binding)
    for name, value in zip(names, binding.get_outputs(), strict=True):
        binding.bind_ortvalue_output(name, value)
    return binding
