"""LiteRT (once TensorFlow Lite) on the CPU."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from predictors.errors import MeasurementError
from predictors.latency.runtimes.base import FileRuntime, Run, random_inputs
from search_spaces.optional import import_optional

if TYPE_CHECKING:
    from predictors.latency.models import InputShape, Model

__all__ = ["LiteRt"]


class LiteRt(FileRuntime):
    """Runs .tflite files with LiteRT's interpreter and its XNNPACK kernels, in float32.

    Images and feature maps are (N, H, W, C) in these files, as LiteRT's kernels want them: a
    block with the layout of torch would be measured with a transposition on either side that
    its network does not have.
    """

    name = "litert"
    suffix = ".tflite"
    slow_to_convert = True

    def version(self) -> str:
        """Return the installed version."""
        return str(_package("ai_edge_litert").__version__)

    def convert(self, model: Model) -> bytes:
        """Return the network as .tflite; seconds for a block, by the converter litert-torch."""
        converter = import_optional(
            "litert_torch", extra="litert-convert", purpose="Writing .tflite files"
        )
        import torch

        module = model.module().eval()
        inputs = [torch.zeros(shape) for shape in model.input_shapes]
        images = [i for i, values in enumerate(inputs) if values.ndim == 4]
        with torch.inference_mode():
            outputs = [0] if module(*inputs).ndim == 4 else []
        wrapped = converter.to_channel_last_io(module, args=images, outputs=outputs).eval()
        examples = tuple(torch.from_numpy(_channels_last(v.numpy())) for v in inputs)
        converter.config.show_progress = False
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of torch, about the converter's own code
                data: bytes = converter.convert(wrapped, examples).model_content()
        except (RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise MeasurementError(
                f"litert-torch cannot convert this network: {reason:.300}."
            ) from error
        return data

    def load(self, data: bytes, input_shapes: Sequence[InputShape], *, threads: int) -> Run:
        """Load a network and fill its inputs, which keep their values between runs."""
        package = _package("ai_edge_litert.interpreter")
        try:
            interpreter = package.Interpreter(model_content=data, num_threads=threads)
            interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise MeasurementError(f"LiteRT cannot load this network: {reason:.300}.") from error
        _fill(interpreter, input_shapes)

        def run() -> None:
            interpreter.invoke()

        return run


def _fill(interpreter: Any, input_shapes: Sequence[InputShape]) -> None:
    """Write random values into the inputs.

    Raises:
        MeasurementError: The file has inputs of other shapes.
    """
    inputs = interpreter.get_input_details()
    values = [_channels_last(array) for array in random_inputs(input_shapes)]
    found = [tuple(int(size) for size in entry["shape"]) for entry in inputs]
    asked = [array.shape for array in values]
    if found != asked:
        raise MeasurementError(
            f"The network has inputs of the shapes {found}, but {asked} were given (images as "
            "batch, height, width, channels)."
        )
    for entry, array in zip(inputs, values, strict=True):
        interpreter.set_tensor(entry["index"], array)


def _channels_last(values: NDArray[Any]) -> NDArray[Any]:
    """Return images as (N, H, W, C); what has not four dimensions stays as it is."""
    return np.ascontiguousarray(np.moveaxis(values, 1, -1)) if values.ndim == 4 else values


def _package(module: str) -> Any:
    return import_optional(module, extra="litert", purpose="Measuring latency with LiteRT")
