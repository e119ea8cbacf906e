"""Activations, softmax and its stand-ins, and operations of inputs of one shape."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from predictors.latency.onnx_file import OnnxGraph
from predictors.latency.onnx_layers.lowering import Lowering, number, plain
from search_spaces.blocks import Layer

__all__ = ["ACTIVATIONS"]


def _swish(graph: OnnxGraph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    return graph.node("Mul", [x[0], graph.node("Sigmoid", x)])


def _relu6(graph: OnnxGraph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    bounds = [graph.constant(np.array(bound, dtype=np.float32)) for bound in (0.0, 6.0)]
    return graph.node("Clip", [x[0], *bounds])


def _quadratic(graph: OnnxGraph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    inner = graph.node("Mul", [x[0], number(graph, 0.125)])
    product = graph.node("Mul", [graph.node("Add", [inner, number(graph, 0.25)]), x[0]])
    return graph.node("Add", [product, number(graph, 0.5)])


def _polynomial(graph: OnnxGraph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    c2, c1, c0 = (graph.weight(layer.in_shape[0], 1, 1) for _ in range(3))
    product = graph.node("Mul", [graph.node("Add", [graph.node("Mul", [c2, x[0]]), c1]), x[0]])
    return graph.node("Add", [product, c0])


def _act_or(graph: OnnxGraph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    """Activate where a mask is true; which elements that are changes no work."""
    mask = (np.arange(math.prod(layer.out_shape)) < layer.kept).reshape(layer.out_shape)
    act, _, other = layer.op.partition("_or_")
    rest = x[0] if other == "identity" else _polynomial(graph, layer, x, readers)
    kept = ACTIVATIONS[act](graph, layer, x, readers)
    return graph.node("Where", [graph.constant(mask), kept, rest])


def _two_quad(graph: OnnxGraph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    shifted = graph.node("Add", [x[0], number(graph, 5.0)])
    squares = graph.node("Mul", [shifted, shifted])
    return graph.node("Div", [squares, _row_sum(graph, squares)])


def _relu_softmax(
    graph: OnnxGraph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]
) -> str:
    kept = graph.node("Relu", x)
    total = graph.node("Add", [_row_sum(graph, kept), number(graph, 1e-3)])
    return graph.node("Div", [kept, total])


def _mean(graph: OnnxGraph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    total = x[0]
    for other in x[1:]:
        total = graph.node("Add", [total, other])
    return graph.node("Mul", [total, number(graph, 1.0 / len(x))])


def _row_sum(graph: OnnxGraph, x: str) -> str:
    return graph.node("ReduceSum", [x, graph.constant(np.array([-1], dtype=np.int64))], keepdims=1)


ACTIVATIONS: dict[str, Lowering] = {
    "add": plain("Add"),
    "gelu": plain("Gelu"),
    "gelu_or_identity": _act_or,
    "h_sigmoid": plain("HardSigmoid", alpha=1 / 6, beta=0.5),
    "h_swish": plain("HardSwish"),
    "mean": _mean,
    "mul": plain("Mul"),
    "polynomial": _polynomial,
    "quadratic": _quadratic,
    "quadratic_or_identity": _act_or,
    "relu": plain("Relu"),
    "relu6": _relu6,
    "relu_or_identity": _act_or,
    "relu_or_polynomial": _act_or,
    "relu_softmax": _relu_softmax,
    "sigmoid": plain("Sigmoid"),
    "softmax": plain("Softmax", axis=-1),
    "sub": plain("Sub"),
    "swish": _swish,
    "two_quad": _two_quad,
}
