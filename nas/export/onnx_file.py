"""model.onnx: the network for ONNX Runtime and everything that reads ONNX.

The only module of this package that imports onnx and onnxruntime, and it does so lazily.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from nas.errors import ExportError
from nas.export.program import quiet
from nas.files import atomic_write
from search_spaces.optional import import_optional

__all__ = ["ONNX", "onnx_predictor", "require_onnx", "runtime_version", "save_onnx"]

ONNX = "model.onnx"
_EXTRA = "export"


def require_onnx() -> None:
    """Check that what an ONNX export needs is installed.

    Raises:
        MissingExtraError: It is not.
    """
    for package in ("onnx", "onnxscript", "onnxruntime"):
        import_optional(package, extra=_EXTRA, purpose="Exporting to ONNX")


def runtime_version() -> str:
    """Return the name and version of the runtime that files are checked in."""
    return f"onnxruntime {_runtime().__version__}"


def save_onnx(program: torch.export.ExportedProgram, path: Path) -> None:
    """Write a program as ONNX and have onnx check it.

    Args:
        program: From `capture`; input ``images`` [batch, C, H, W], output ``logits``.
        path: The file.

    Raises:
        ExportError: The network has an operation that ONNX lacks, or onnx finds a fault.
        MissingExtraError: onnx or onnxscript is not installed.
        RunError: The disk is full or the folder not writable.
    """
    onnx = import_optional("onnx", extra=_EXTRA, purpose="Exporting to ONNX")
    import_optional("onnxscript", extra=_EXTRA, purpose="Exporting to ONNX")
    try:
        with quiet():
            converted = torch.onnx.export(
                program,
                dynamo=True,
                verbose=False,
                input_names=["images"],
                output_names=["logits"],
                dynamic_shapes=({0: "batch"},),
            )
    except (torch.onnx.OnnxExporterError, torch.onnx.errors.OnnxExporterError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ExportError(
            f"torch cannot convert this network to ONNX: {reason}. Leave the format onnx out."
        ) from error
    if converted is None:  # only with the other exporter
        raise ExportError("torch gave no ONNX model. Leave the format onnx out.")
    data = converted.model_proto.SerializeToString()
    try:
        onnx.checker.check_model(data, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"the converted ONNX model is faulty: {error}.") from error
    atomic_write(path, data)


def onnx_predictor(
    path: Path, *, threads: int | None = None
) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return a function from normalised images [n, C, H, W] to logits [n, classes].

    Args:
        path: A file with one input and one output.
        threads: Of ONNX Runtime on the CPU; none leaves the choice to it.

    Raises:
        ExportError: The file is missing, truncated or no ONNX model.
        MissingExtraError: onnxruntime is not installed.
    """
    runtime = _runtime()
    if not path.is_file():
        raise ExportError(f"{path} does not exist. Export the subnet again with the format onnx.")
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    if threads is not None:
        options.intra_op_num_threads = threads
    state = runtime.capi.onnxruntime_pybind11_state
    try:
        session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except (state.InvalidProtobuf, state.InvalidGraph, state.Fail, state.NotImplemented) as error:
        reason = str(error).strip().splitlines()[0]
        raise ExportError(
            f"{path} is no ONNX model that ONNX Runtime can load: {reason}. "
            "Export the subnet again."
        ) from error
    inputs = [entry.name for entry in session.get_inputs()]
    if inputs != ["images"]:
        raise ExportError(f"{path} was not written by an export: its inputs are {inputs}.")

    def predict(images: torch.Tensor) -> torch.Tensor:
        (logits,) = session.run(None, {"images": images.numpy()})
        return torch.from_numpy(logits)

    return predict


def _runtime() -> Any:
    return import_optional("onnxruntime", extra=_EXTRA, purpose="Running an ONNX file")
