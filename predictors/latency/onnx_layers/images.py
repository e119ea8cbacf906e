"""Feature maps: convolutions, norms, pools, and what moves channels and pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from predictors.latency.onnx_file import OnnxGraph
from predictors.latency.onnx_layers.lowering import TO_THE_END, Lowering, plain, reshape, sliced
from search_spaces.blocks import Layer, Window

__all__ = ["IMAGES"]


def _conv(graph: OnnxGraph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    if layer.window:
        return _window_conv(graph, layer, layer.window, x, readers)
    cout, cin = layer.out_shape[0], layer.in_shape[0]
    along = [layer.axis in (None, dimension) for dimension in (1, 2)]
    kernel, strides = (
        [size if extends else 1 for extends in along] for size in (layer.kernel, layer.stride)
    )
    padding = [layer.dilation * (side // 2) if layer.padded else 0 for side in kernel]
    operands = [x[0], graph.weight(cout, cin // layer.groups, *kernel)]
    if layer.bias or any(reader.op == "batch_norm" for reader in readers):
        operands.append(graph.weight(cout))
    return graph.node(
        "Conv",
        operands,
        group=layer.groups,
        kernel_shape=kernel,
        pads=padding * 2,
        strides=strides,
        dilations=[layer.dilation] * 2,
    )


def _window_conv(
    graph: OnnxGraph, layer: Layer, window: Window, x: Sequence[str], readers: Sequence[Layer]
) -> str:
    cout, cin = layer.out_shape[0], layer.in_shape[0]
    operands = [x[0], graph.weight(cout, cin // layer.groups, *window.kernel)]
    if layer.bias or any(reader.op == "batch_norm" for reader in readers):
        operands.append(graph.weight(cout))
    attributes = {**_moves(window), "dilations": [*window.dilation]}
    return graph.node("Conv", operands, group=layer.groups, **attributes)


def _moves(window: Window) -> dict[str, list[int]]:
    """Return how a window moves, as ONNX says it."""
    return {
        "kernel_shape": [*window.kernel],
        "pads": [*window.padding] * 2,
        "strides": [*window.stride],
    }


def _batch_norm(graph: OnnxGraph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    channels = np.ones(layer.in_shape[0], dtype=np.float32)
    return graph.node("BatchNormalization", [x[0], *(graph.constant(channels) for _ in range(4))])


def _linear(graph: OnnxGraph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    source = x[0] if len(layer.in_shape) == 1 else graph.node("Flatten", x)
    operands = [source, graph.weight(layer.out_shape[0], math.prod(layer.in_shape))]
    if layer.bias:
        operands.append(graph.weight(layer.out_shape[0]))
    return graph.node("Gemm", operands, transB=1)


def _pool(graph: OnnxGraph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    axes = graph.constant(np.array([2, 3], dtype=np.int64))
    return graph.node("ReduceMean", [x[0], axes], keepdims=1)


def _avg_pool(graph: OnnxGraph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    if layer.window:
        count = int(layer.window.count_padding)
        return graph.node("AveragePool", x, count_include_pad=count, **_moves(layer.window))
    window = {"kernel_shape": [layer.kernel] * 2, "strides": [layer.stride] * 2}
    return graph.node("AveragePool", x, ceil_mode=1, **window)


def _padded_avg_pool(
    graph: OnnxGraph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]
) -> str:
    window = {"kernel_shape": [layer.kernel] * 2, "strides": [layer.stride] * 2}
    pads = [layer.kernel // 2] * 4
    return graph.node("AveragePool", x, pads=pads, count_include_pad=0, **window)


def _max_pool(graph: OnnxGraph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    if layer.window:
        more = {"dilations": [*layer.window.dilation], "ceil_mode": int(layer.window.ceil)}
        return graph.node("MaxPool", x, **_moves(layer.window), **more)
    window = {"kernel_shape": [layer.kernel] * 2, "strides": [layer.stride] * 2}
    return graph.node("MaxPool", x, pads=[layer.kernel // 2] * 4, **window)


def _shift(graph: OnnxGraph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    pads = np.array([0, 0, -1, -1, 0, 0, 1, 1], dtype=np.int64)
    return graph.node("Pad", [x[0], graph.constant(pads)])


def _zero(graph: OnnxGraph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    return graph.node("Mul", [x[0], graph.constant(np.array(0.0, dtype=np.float32))])


def _view(graph: OnnxGraph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    return reshape(graph, x[0], graph.batch_size, *layer.out_shape)


def _split(graph: OnnxGraph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    (first,) = layer.indices
    return sliced(graph, x[0], 1, first, TO_THE_END, 2)


def _leading(graph: OnnxGraph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    return sliced(graph, x[0], 1, 0, layer.out_shape[0])


def _trailing(graph: OnnxGraph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    return sliced(graph, x[0], 1, layer.in_shape[0] - layer.out_shape[0], TO_THE_END)


def _group_norm(graph: OnnxGraph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    """Normalise groups as instances, which every runtime has, then scale and shift channels."""
    channels, groups = layer.out_shape[0], layer.groups
    grouped = reshape(graph, x[0], graph.batch_size, groups, -1)
    ones = np.ones(groups, dtype=np.float32)
    inputs = [grouped, graph.constant(ones), graph.constant(0 * ones)]
    normal = graph.node("InstanceNormalization", inputs, epsilon=1e-5)
    normal = graph.node("Reshape", [normal, graph.node("Shape", x)])
    scaled = graph.node("Mul", [normal, graph.weight(channels, 1, 1)])
    return graph.node("Add", [scaled, graph.weight(channels, 1, 1)])


def _aggregate(graph: OnnxGraph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    """Multiply every shifted window by the kernels' values for that shift, and add up."""
    (channels, height, width), side = layer.out_shape, layer.kernel
    kernels = reshape(graph, x[1], graph.batch_size, layer.groups, side**2, height, width)
    if (repeats := -(-channels // layer.groups)) > 1:
        kernels = graph.node("Concat", [kernels] * repeats, axis=1)
    if repeats * layer.groups > channels:
        kernels = sliced(graph, kernels, 1, 0, channels)
    pads = np.array([0, 0, side // 2, side // 2] * 2, dtype=np.int64)
    around = graph.node("Pad", [x[0], graph.constant(pads)])
    total = ""
    rows = [sliced(graph, around, 2, top, top + height) for top in range(side)]
    for i in range(side**2):
        window = sliced(graph, rows[i // side], 3, i % side, i % side + width)
        values = graph.node("Gather", [kernels, graph.constant(np.array(i))], axis=2)
        product = graph.node("Mul", [window, values])
        total = graph.node("Add", [total, product]) if total else product
    return total


IMAGES: dict[str, Lowering] = {
    "aggregate": _aggregate,
    "avg_pool": _avg_pool,
    "batch_norm": _batch_norm,
    "channel_split": _split,
    "concat": plain("Concat", axis=1),
    "conv2d": _conv,
    "global_avg_pool": _pool,
    "group_norm": _group_norm,
    "leading_channels": _leading,
    "linear": _linear,
    "max_pool": _max_pool,
    "padded_avg_pool": _padded_avg_pool,
    "reshape": _view,
    "shift": _shift,
    "trailing_channels": _trailing,
    "zero": _zero,
}
