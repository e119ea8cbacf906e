"""ONNX models in plain values, and a writer of them.

The only module of this package that imports onnx, and it does so lazily.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search_spaces.blocks import INPUT, Shape
from search_spaces.optional import import_optional

__all__ = ["OnnxGraph", "OnnxNetwork", "OnnxNode", "read_onnx"]

# Operator set and version of the file format; GELU became an operator in set 20.
_OPSET, _GELU_OPSET = (18, 8), (20, 9)
_POOL = np.random.default_rng(0).standard_normal(1 << 16, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class OnnxNode:
    """A node of an ONNX graph in plain values."""

    op: str
    inputs: tuple[str, ...]
    output: str
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OnnxNetwork:
    """An ONNX graph in plain values.

    Attributes:
        inputs: Names and shapes, the batch first.
        nodes: In running order.
        weights: Constants by name.
        output: Name of the one output.
    """

    inputs: Mapping[str, tuple[int, ...]]
    nodes: tuple[OnnxNode, ...]
    weights: Mapping[str, NDArray[Any]]
    output: str


def read_onnx(data: bytes) -> OnnxNetwork:
    """Return a serialised model of one output in plain values.

    Raises:
        MissingExtraError: onnx is not installed.
    """
    onnx = import_optional("onnx", extra="latency", purpose="Reading networks")
    helper = import_optional("onnx.helper", extra="latency", purpose="Reading networks")
    arrays = import_optional("onnx.numpy_helper", extra="latency", purpose="Reading networks")
    graph = onnx.load_from_string(data).graph
    weights = {tensor.name: arrays.to_array(tensor) for tensor in graph.initializer}
    inputs = {
        value.name: tuple(side.dim_value for side in value.type.tensor_type.shape.dim)
        for value in graph.input
        if value.name not in weights
    }
    nodes = tuple(
        OnnxNode(
            node.op_type,
            tuple(node.input),
            node.output[0],
            {a.name: helper.get_attribute_value(a) for a in node.attribute},
        )
        for node in graph.node
    )
    return OnnxNetwork(inputs, nodes, weights, graph.output[0].name)


class OnnxGraph:
    """Collects nodes and weights of a model.

    Args:
        batch_size: Images in one call.

    Raises:
        MissingExtraError: onnx is not installed.
    """

    def __init__(self, batch_size: int) -> None:
        self._onnx: ModuleType = import_optional(
            "onnx", extra="latency", purpose="Writing networks for a latency table"
        )
        import_optional("onnx.helper", extra="latency", purpose="Writing networks")
        self.batch_size = batch_size
        self._nodes: list[Any] = []
        self._known: dict[tuple[str, tuple[str, ...], str], str] = {}
        self._weights: list[Any] = []
        self._inputs: dict[str, Any] = {}

    def _value(self, name: str, shape: Shape) -> Any:
        helper = self._onnx.helper
        sizes = (self.batch_size, *shape)
        return helper.make_tensor_value_info(name, self._onnx.TensorProto.FLOAT, sizes)

    def input(self, source: int, shape: Shape) -> str:
        """Return the name of a network's input."""
        name = f"input_{INPUT - source}"
        self._inputs.setdefault(name, self._value(name, shape))
        return name

    def node(self, op: str, inputs: Sequence[str], **attributes: Any) -> str:
        """Add a node and return the name of its output; equal nodes are one, as in an export."""
        key = (op, tuple(inputs), repr(sorted(attributes.items())))
        if key not in self._known:
            self._known[key] = name = f"value_{len(self._nodes)}"
            self._nodes.append(self._onnx.helper.make_node(op, inputs, [name], **attributes))
        return self._known[key]

    def constant(self, values: NDArray[Any]) -> str:
        """Add an initializer and return its name."""
        name = f"weight_{len(self._weights)}"
        self._weights.append(self._onnx.numpy_helper.from_array(values, name))
        return name

    def weight(self, *shape: int, transposed: bool = False) -> str:
        """Add random weights that keep the size of activations, and return their name."""
        values = np.resize(_POOL, shape) / np.float32(math.sqrt(max(1, math.prod(shape[1:]))))
        values = values.astype(np.float32)
        return self.constant(np.ascontiguousarray(values.T) if transposed else values)

    def serialise(self, output: str, shape: Shape) -> bytes:
        """Return the model with one output."""
        helper = self._onnx.helper
        graph = helper.make_graph(
            self._nodes,
            "network",
            list(self._inputs.values()),
            [self._value(output, shape)],
            self._weights,
        )
        newer = any(node.op_type == "Gelu" for node in self._nodes)
        version, ir_version = _GELU_OPSET if newer else _OPSET
        opset = helper.make_opsetid("", version)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=ir_version)
        data: bytes = model.SerializeToString()
        return data
