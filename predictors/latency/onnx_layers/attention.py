"""Heads of attention: apart, together, chosen, with relative positions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from predictors.latency.onnx_file import OnnxGraph
from predictors.latency.onnx_layers.lowering import Lowering, number, plain, reshape
from search_spaces.blocks import Layer

__all__ = ["ATTENTION"]


def _split_heads(
    graph: OnnxGraph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]
) -> str:
    heads, tokens, features = layer.out_shape
    split = reshape(graph, x[0], graph.batch_size, tokens, heads, features)
    transposed = any(reader.op == "transpose" for reader in readers)
    return graph.node("Transpose", [split], perm=[0, 2, 3, 1] if transposed else [0, 2, 1, 3])


def _transpose(graph: OnnxGraph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    return graph.node("Transpose", x, perm=[0, 1, 3, 2])


def _merge_heads(
    graph: OnnxGraph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]
) -> str:
    merged = graph.node("Transpose", x, perm=[0, 2, 1, 3])
    return reshape(graph, merged, graph.batch_size, *layer.out_shape)


def _relative(graph: OnnxGraph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    """Multiply every token by positions of its own, spread out from their tables once."""
    heads, tokens, inner = layer.in_shape
    by_token = graph.node("Transpose", x, perm=[2, 0, 1, 3])
    by_token = reshape(graph, by_token, tokens, graph.batch_size * heads, inner)
    product = graph.node("MatMul", [by_token, graph.weight(tokens, inner, layer.out_shape[-1])])
    product = graph.node("Transpose", [product], perm=[1, 0, 2])
    return reshape(graph, product, graph.batch_size, *layer.out_shape)


def _scale_attention(
    graph: OnnxGraph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]
) -> str:
    return graph.node("Div", [x[0], number(graph, layer.in_shape[-1])])


def _take_heads(graph: OnnxGraph, heads: str, indices: Sequence[int]) -> str:
    return graph.node("Gather", [heads, graph.constant(np.array(indices))], axis=1)


def _select_heads(
    graph: OnnxGraph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]
) -> str:
    return _take_heads(graph, x[0], layer.indices)


def _join_heads(graph: OnnxGraph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    return _take_heads(graph, graph.node("Concat", x, axis=1), layer.indices)


def _as_shaped(graph: OnnxGraph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    return reshape(graph, x[0], graph.batch_size, *layer.out_shape)


def _offset_bias(
    graph: OnnxGraph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]
) -> str:
    return graph.node("Add", [x[0], graph.weight(*layer.out_shape)])


def _scale(graph: OnnxGraph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    factor = np.array(layer.in_shape[-1] ** -0.5, dtype=np.float32)
    return graph.node("Mul", [x[0], graph.constant(factor)])


ATTENTION: dict[str, Lowering] = {
    "join_heads": _join_heads,
    "matmul": plain("MatMul"),
    "merge_heads": _merge_heads,
    "merge_map": _as_shaped,
    "offset_bias": _offset_bias,
    "relative_scores": _relative,
    "relative_values": _relative,
    "scale": _scale,
    "scale_attention": _scale_attention,
    "select_heads": _select_heads,
    "split_heads": _split_heads,
    "split_map": _as_shaped,
    "transpose": _transpose,
}
