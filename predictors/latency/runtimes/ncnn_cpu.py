"""ncnn on the CPU."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from predictors.errors import MeasurementError
from predictors.latency.runtimes.base import FileRuntime, Run, random_inputs
from search_spaces.optional import import_optional

if TYPE_CHECKING:
    from predictors.latency.models import InputShape, Model

__all__ = ["Ncnn"]


class Ncnn(FileRuntime):
    """Runs networks with ncnn's CPU kernels in float32, one image at a time."""

    name = "ncnn"
    suffix = ".ncnn"

    def version(self) -> str:
        """Return the installed version."""
        return str(_package().__version__)

    def convert(self, model: Model) -> bytes:
        """Return the network in ncnn's format; see `ncnn_graph`."""
        from predictors.latency.ncnn_graph import to_ncnn

        return to_ncnn(model.onnx())

    def load(self, data: bytes, input_shapes: Sequence[InputShape], *, threads: int) -> Run:
        """Load a network; every run makes an extractor, as an application does."""
        ncnn = _package()
        net, header = _load(ncnn, data, threads)
        if len(header["inputs"]) != len(input_shapes):
            raise MeasurementError(
                f"The network has {len(header['inputs'])} inputs, but {len(input_shapes)} shapes "
                f"were given: {list(input_shapes)}."
            )
        named = [
            (f"{name}_0", ncnn.Mat(values[0]).clone())
            for name, values in zip(header["inputs"], random_inputs(input_shapes), strict=True)
        ]

        def run() -> Any:
            extractor = net.create_extractor()
            for name, values in named:
                extractor.input(name, values)
            return extractor.extract("output")[1]

        return run


def _load(ncnn: Any, data: bytes, threads: int) -> tuple[Any, dict[str, Any]]:
    """Return the loaded network and what its first line says.

    Raises:
        MeasurementError: ncnn refuses it.
    """
    line, _, rest = data.partition(b"\n")
    header: dict[str, Any] = json.loads(line)
    text, weights = rest[: header["text_bytes"]], rest[header["text_bytes"] :]
    net = ncnn.Net()
    net.opt.num_threads = threads
    net.opt.use_vulkan_compute = False
    for half in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage"):
        setattr(net.opt, half, False)
    with tempfile.TemporaryDirectory(prefix="ncnn-") as folder:
        layers, values = Path(folder, "net.param"), Path(folder, "net.bin")
        layers.write_bytes(text)
        values.write_bytes(weights)
        if net.load_param(str(layers)) or net.load_model(str(values)):
            raise MeasurementError("ncnn cannot load this network.")
    return net, header


def _package() -> Any:
    return import_optional("ncnn", extra="ncnn", purpose="Measuring latency with ncnn")
