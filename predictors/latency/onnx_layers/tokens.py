"""Tokens of transformers: from images and back, norms, linear layers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from predictors.latency.onnx_file import OnnxGraph
from predictors.latency.onnx_layers.lowering import (
    TO_THE_END,
    Lowering,
    matmul_add,
    reshape,
    sliced,
)
from search_spaces.blocks import Layer

__all__ = ["TOKENS"]


def _patches(graph: OnnxGraph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    (cin, height, width), side, (tokens, features) = layer.in_shape, layer.kernel, layer.out_shape
    tiles = (graph.batch_size, cin, height // side, side, width // side, side)
    tiled = graph.node("Transpose", [reshape(graph, x[0], *tiles)], perm=[0, 2, 4, 1, 3, 5])
    flat = cin * side * side
    tiled = reshape(graph, tiled, graph.batch_size, tokens, flat)
    return matmul_add(graph, tiled, flat, features)


def _class_token(
    graph: OnnxGraph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]
) -> str:
    token = graph.weight(graph.batch_size, 1, layer.out_shape[1])
    return graph.node("Concat", [token, x[0]], axis=1)


def _position(graph: OnnxGraph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    return graph.node("Add", [x[0], graph.weight(*layer.out_shape)])


def _layer_norm(graph: OnnxGraph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    ones = np.ones(layer.in_shape[-1], dtype=np.float32)
    scale, shift = graph.constant(ones), graph.constant(0 * ones)
    return graph.node("LayerNormalization", [x[0], scale, shift], axis=-1, epsilon=1e-5)


def _token_linear(
    graph: OnnxGraph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]
) -> str:
    return matmul_add(graph, x[0], layer.in_shape[-1], layer.out_shape[-1])


def _token_pool(graph: OnnxGraph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    patches = sliced(graph, x[0], 1, 1, TO_THE_END)
    axes = graph.constant(np.array([1], dtype=np.int64))
    return graph.node("ReduceMean", [patches, axes], keepdims=0)


def _first_token(
    graph: OnnxGraph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]
) -> str:
    return sliced(graph, x[0], 1, 0, 1)


def _token_map(graph: OnnxGraph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    patches = sliced(graph, x[0], 1, 1, TO_THE_END)
    transposed = graph.node("Transpose", [patches], perm=[0, 2, 1])
    return reshape(graph, transposed, graph.batch_size, *layer.out_shape)


def _map_tokens(graph: OnnxGraph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    tokens, features = layer.out_shape
    flat = reshape(graph, x[0], graph.batch_size, features, tokens)
    return graph.node("Transpose", [flat], perm=[0, 2, 1])


def _pad_features(
    graph: OnnxGraph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]
) -> str:
    tokens, features = layer.in_shape
    zeros = np.zeros((graph.batch_size, tokens, layer.out_shape[-1] - features), np.float32)
    return graph.node("Concat", [x[0], graph.constant(zeros)], axis=2)


TOKENS: dict[str, Lowering] = {
    "class_token": _class_token,
    "first_token": _first_token,
    "layer_norm": _layer_norm,
    "map_tokens": _map_tokens,
    "pad_features": _pad_features,
    "patches": _patches,
    "position_embedding": _position,
    "token_linear": _token_linear,
    "token_map": _token_map,
    "token_pool": _token_pool,
}
