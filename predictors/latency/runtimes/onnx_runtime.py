"""ONNX Runtime on the CPU."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from predictors.errors import MeasurementError
from predictors.latency.models import Model
from predictors.latency.runtimes.base import Run
from search_spaces.optional import import_optional

__all__ = ["OnnxRuntime"]

_PROVIDER = "CPUExecutionProvider"
_ERRORS_ONLY = 3


class OnnxRuntime:
    """Runs ONNX graphs with ONNX Runtime's CPU provider and all its graph optimisations."""

    name = "onnxruntime"

    def version(self) -> str:
        """Return the installed version."""
        return str(_package().__version__)

    def prepare(self, model: Model, *, threads: int) -> Run:
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
            session = runtime.InferenceSession(model.onnx(), options, providers=[_PROVIDER])
        except (
            state.Fail,
            state.InvalidGraph,
            state.InvalidProtobuf,
            state.NotImplemented,
        ) as error:
            reason = str(error).strip().splitlines()[0]
            raise MeasurementError(f"ONNX Runtime cannot load this network: {reason}.") from error
        binding = _bind(runtime, session, model)

        def run() -> None:
            session.run_with_iobinding(binding)

        return run

    def measuring(self, *, threads: int) -> AbstractContextManager[object]:
        """Return a context that does nothing: threads belong to the loaded networks."""
        return nullcontext()


def _package() -> Any:
    return import_optional(
        "onnxruntime", extra="latency", purpose="Measuring latency with ONNX Runtime"
    )


def _bind(runtime: Any, session: Any, model: Model) -> Any:
    """Return a binding of random inputs and of outputs that the first run allocates."""
    inputs = session.get_inputs()
    if len(inputs) != len(model.input_shapes):
        raise MeasurementError(
            f"The network has {len(inputs)} inputs, but {len(model.input_shapes)} shapes were "
            f"given: {list(model.input_shapes)}."
        )
    rng = np.random.default_rng(0)
    binding = session.io_binding()
    for entry, shape in zip(inputs, model.input_shapes, strict=True):
        values = rng.standard_normal(shape, dtype=np.float32)
        binding.bind_ortvalue_input(entry.name, runtime.OrtValue.ortvalue_from_numpy(values))
    names = [entry.name for entry in session.get_outputs()]
    for name in names:
        binding.bind_output(name, "cpu")
    session.run_with_iobinding(binding)
    for name, value in zip(names, binding.get_outputs(), strict=True):
        binding.bind_ortvalue_output(name, value)
    return binding
