"""Runtimes by name: the built-in ones, and third parties' through entry points.

A third party declares in its pyproject.toml:

    [project.entry-points."nas.latency_runtimes"]
    my_runtime = "my_package.runtime:MyRuntime"
"""

from __future__ import annotations

import importlib
from importlib.metadata import entry_points
from typing import Any, cast

from predictors.errors import MeasurementError
from predictors.latency.runtimes.base import Runtime
from search_spaces.errors import nearest

__all__ = ["get_runtime", "list_runtimes"]

_ENTRY_POINTS = "nas.latency_runtimes"
_BUILT_IN = {
    "executorch": ("predictors.latency.runtimes.executorch_cpu", "ExecuTorch"),
    "litert": ("predictors.latency.runtimes.litert_cpu", "LiteRt"),
    "ncnn": ("predictors.latency.runtimes.ncnn_cpu", "Ncnn"),
    "onnxruntime": ("predictors.latency.runtimes.onnx_runtime", "OnnxRuntime"),
    "openvino": ("predictors.latency.runtimes.openvino_cpu", "OpenVino"),
    "torch": ("predictors.latency.runtimes.torch_eager", "TorchEager"),
    "torch_compile": ("predictors.latency.runtimes.torch_compiled", "TorchCompiled"),
    "torch_cuda": ("predictors.latency.runtimes.torch_cuda", "TorchCuda"),
}


def list_runtimes() -> list[str]:
    """Return the names of all runtimes, sorted; one that is listed may not be installed."""
    return sorted({*_BUILT_IN, *(entry.name for entry in entry_points(group=_ENTRY_POINTS))})


def get_runtime(name: str) -> Runtime:
    """Return a runtime by name.

    Raises:
        MeasurementError: There is no such runtime.
    """
    factory: Any = None
    if name in _BUILT_IN:
        module, attribute = _BUILT_IN[name]
        factory = getattr(importlib.import_module(module), attribute)
    else:
        for entry in entry_points(group=_ENTRY_POINTS, name=name):
            factory = entry.load()
    if factory is None:
        raise MeasurementError(f"There is no runtime {name!r}. {nearest(name, list_runtimes())}")
    return cast(Runtime, factory())
