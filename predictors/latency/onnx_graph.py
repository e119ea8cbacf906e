"""Blocks to ONNX, straight from their primitive layers, with random weights.

Latency does not depend on the values of weights, so no torch module is needed: a graph takes
about a millisecond, where torch's exporters take 12 (TorchScript) to 500 (dynamo). The nodes
are those that torch's dynamo exporter writes for the same subnet: batch norm is folded into
the convolution before it.
"""

from __future__ import annotations

from collections.abc import Sequence

from predictors.errors import MeasurementError
from predictors.latency.graph import PlacedBlock
from predictors.latency.onnx_file import OnnxGraph
from predictors.latency.onnx_layers import LOWERINGS, Lowering
from search_spaces.blocks import INPUT, Layer, layers_of
from search_spaces.errors import nearest

__all__ = ["empty_onnx", "to_onnx"]

_FOLDED = {("conv2d", "batch_norm"), ("split_heads", "transpose")}
"""Layers that the lowering of the layer before them does as well."""


def to_onnx(placed: Sequence[PlacedBlock], *, batch_size: int = 1, pooled: bool = False) -> bytes:
    """Return a network as a serialised ONNX model with random float32 weights.

    Args:
        placed: Its blocks in running order.
        batch_size: Images in one call.
        pooled: Whether the mean of the output over height and width is returned in its place.

    Raises:
        MeasurementError: A layer has no counterpart in ONNX here.
        MissingExtraError: onnx is not installed.
    """
    graph = OnnxGraph(batch_size)
    outputs: list[str] = []
    for step in placed:
        names = [
            graph.input(source, shape) if source <= INPUT else outputs[source]
            for source, shape in zip(step.inputs, step.block.in_shapes, strict=False)
        ]
        outputs.append(_add_block(graph, layers_of(step.block), names))
    output, shape = outputs[-1], placed[-1].block.out_shape
    if pooled and len(shape) == 3:
        output, shape = graph.node("GlobalAveragePool", [output]), (shape[0], 1, 1)
    return graph.serialise(output, shape)


def empty_onnx() -> bytes:
    """Return a network that does next to nothing: running it costs what a call costs."""
    graph = OnnxGraph(1)
    shape = (1, 1, 1)
    return graph.serialise(graph.node("Relu", [graph.input(INPUT, shape)]), shape)


def _add_block(graph: OnnxGraph, layers: Sequence[Layer], inputs: Sequence[str]) -> str:
    """Add the layers of a block and return the name of its output."""
    names = {INPUT - i: name for i, name in enumerate(inputs)}
    for position, layer in enumerate(layers):
        sources = [names[source] for source in layer.inputs]
        readers = [other for other in layers if position in other.inputs]
        before = layers[layer.inputs[0]].op if layer.inputs[0] >= 0 else None
        if (before, layer.op) in _FOLDED:
            names[position] = sources[0]
        else:
            names[position] = _lowering(layer.op)(graph, layer, sources, readers)
    return names[len(layers) - 1]


def _lowering(op: str) -> Lowering:
    if op not in LOWERINGS:
        raise MeasurementError(
            f"The layer {op!r} has no counterpart in ONNX here, so its block cannot be measured. "
            f"{nearest(op, LOWERINGS)}"
        )
    return LOWERINGS[op]
