"""What lowerings of layers are, and what several of them need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from predictors.latency.onnx_file import OnnxGraph
from search_spaces.blocks import Layer

__all__ = ["TO_THE_END", "Lowering", "matmul_add", "number", "plain", "reshape", "sliced"]

TO_THE_END = np.iinfo(np.int64).max

Lowering: TypeAlias = Callable[[OnnxGraph, Layer, Sequence[str], Sequence[Layer]], str]
"""Called with the graph, a layer, the names of its inputs and the layers that read it."""


def reshape(graph: OnnxGraph, x: str, *sizes: int) -> str:
    """Give a value another shape and return its name."""
    return graph.node("Reshape", [x, graph.constant(np.array(sizes, dtype=np.int64))])


def sliced(graph: OnnxGraph, x: str, axis: int, start: int, stop: int, step: int = 1) -> str:
    """Take every ``step``-th place of an axis from ``start`` to ``stop`` and return the name."""
    bounds = [np.array([value], dtype=np.int64) for value in (start, stop, axis, step)]
    return graph.node("Slice", [x, *(graph.constant(bound) for bound in bounds)])


def matmul_add(graph: OnnxGraph, x: str, cin: int, features: int) -> str:
    """Multiply by random weights [cin, features], add a bias, and return the name."""
    product = graph.node("MatMul", [x, graph.weight(features, cin, transposed=True)])
    return graph.node("Add", [product, graph.weight(features)])


def number(graph: OnnxGraph, value: float) -> str:
    """Add a float32 constant and return its name."""
    return graph.constant(np.array(value, dtype=np.float32))


def plain(op: str, **attributes: Any) -> Lowering:
    """Return the lowering of a layer that is one node of the same inputs."""

    def lower(graph: OnnxGraph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
        return graph.node(op, x, **attributes)

    return lower
