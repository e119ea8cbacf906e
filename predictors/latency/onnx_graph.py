"""Blocks to ONNX, straight from their primitive layers, with random weights.

Latency does not depend on the values of weights, so no torch module is needed: a graph takes
about a millisecond, where torch's exporters take 12 (TorchScript) to 500 (dynamo). The nodes
are those that torch's dynamo exporter writes for the same subnet: batch norm is folded into
the convolution before it.

The only module of this package that imports onnx, and it does so lazily.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from predictors.errors import MeasurementError
from predictors.latency.graph import PlacedBlock
from search_spaces.blocks import INPUT, Layer, Shape, Window, layers_of
from search_spaces.errors import nearest
from search_spaces.optional import import_optional

__all__ = ["OnnxNetwork", "OnnxNode", "empty_onnx", "read_onnx", "to_onnx"]

# Operator set and version of the file format; GELU became an operator in set 20.
_OPSET, _GELU_OPSET = (18, 8), (20, 9)
_POOL = np.random.default_rng(0).standard_normal(1 << 16, dtype=np.float32)
_TO_THE_END = np.iinfo(np.int64).max


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
    graph = _Graph(batch_size)
    outputs: list[str] = []
    for step in placed:
        names = [
            graph.input(source, shape) if source <= INPUT else outputs[source]
            for source, shape in zip(step.inputs, step.block.in_shapes, strict=False)
        ]
        outputs.append(graph.block(layers_of(step.block), names))
    output, shape = outputs[-1], placed[-1].block.out_shape
    if pooled and len(shape) == 3:
        output, shape = graph.node("GlobalAveragePool", [output]), (shape[0], 1, 1)
    return graph.serialise(output, shape)


def empty_onnx() -> bytes:
    """Return a network that does next to nothing: running it costs what a call costs."""
    graph = _Graph(1)
    shape = (1, 1, 1)
    return graph.serialise(graph.node("Relu", [graph.input(INPUT, shape)]), shape)


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


class _Graph:
    """Collects nodes and weights."""

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

    def block(self, layers: Sequence[Layer], inputs: Sequence[str]) -> str:
        """Add the layers of a block and return the name of its output."""
        names = {INPUT - i: name for i, name in enumerate(inputs)}
        for position, layer in enumerate(layers):
            sources = [names[source] for source in layer.inputs]
            readers = [other for other in layers if position in other.inputs]
            before = layers[layer.inputs[0]].op if layer.inputs[0] >= 0 else None
            if (before, layer.op) in _FOLDED:
                names[position] = sources[0]
            else:
                names[position] = _lowering(layer.op)(self, layer, sources, readers)
        return names[len(layers) - 1]

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


_FOLDED = {("conv2d", "batch_norm"), ("split_heads", "transpose")}
"""Layers that the lowering of the layer before them does as well."""

_Lowering: TypeAlias = Callable[[_Graph, Layer, Sequence[str], Sequence[Layer]], str]
"""Called with the graph, a layer, the names of its inputs and the layers that read it."""


def _lowering(op: str) -> _Lowering:
    if op not in _LOWERINGS:
        raise MeasurementError(
            f"The layer {op!r} has no counterpart in ONNX here, so its block cannot be measured. "
            f"{nearest(op, _LOWERINGS)}"
        )
    return _LOWERINGS[op]


def _conv(graph: _Graph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
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
    graph: _Graph, layer: Layer, window: Window, x: Sequence[str], readers: Sequence[Layer]
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


def _batch_norm(graph: _Graph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    channels = np.ones(layer.in_shape[0], dtype=np.float32)
    return graph.node("BatchNormalization", [x[0], *(graph.constant(channels) for _ in range(4))])


def _linear(graph: _Graph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    source = x[0] if len(layer.in_shape) == 1 else graph.node("Flatten", x)
    operands = [source, graph.weight(layer.out_shape[0], math.prod(layer.in_shape))]
    if layer.bias:
        operands.append(graph.weight(layer.out_shape[0]))
    return graph.node("Gemm", operands, transB=1)


def _pool(graph: _Graph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    axes = graph.constant(np.array([2, 3], dtype=np.int64))
    return graph.node("ReduceMean", [x[0], axes], keepdims=1)


def _avg_pool(graph: _Graph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    if layer.window:
        count = int(layer.window.count_padding)
        return graph.node("AveragePool", x, count_include_pad=count, **_moves(layer.window))
    window = {"kernel_shape": [layer.kernel] * 2, "strides": [layer.stride] * 2}
    return graph.node("AveragePool", x, ceil_mode=1, **window)


def _padded_avg_pool(
    graph: _Graph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]
) -> str:
    window = {"kernel_shape": [layer.kernel] * 2, "strides": [layer.stride] * 2}
    pads = [layer.kernel // 2] * 4
    return graph.node("AveragePool", x, pads=pads, count_include_pad=0, **window)


def _shift(graph: _Graph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    pads = np.array([0, 0, -1, -1, 0, 0, 1, 1], dtype=np.int64)
    return graph.node("Pad", [x[0], graph.constant(pads)])


def _zero(graph: _Graph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    return graph.node("Mul", [x[0], graph.constant(np.array(0.0, dtype=np.float32))])


def _mean(graph: _Graph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    total = x[0]
    for other in x[1:]:
        total = graph.node("Add", [total, other])
    return graph.node("Mul", [total, graph.constant(np.array(1.0 / len(x), dtype=np.float32))])


def _max_pool(graph: _Graph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    if layer.window:
        more = {"dilations": [*layer.window.dilation], "ceil_mode": int(layer.window.ceil)}
        return graph.node("MaxPool", x, **_moves(layer.window), **more)
    window = {"kernel_shape": [layer.kernel] * 2, "strides": [layer.stride] * 2}
    return graph.node("MaxPool", x, pads=[layer.kernel // 2] * 4, **window)


def _view(graph: _Graph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    return _reshape(graph, x[0], graph.batch_size, *layer.out_shape)


def _split(graph: _Graph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    first = int(2 * layer.out_shape[0] < layer.in_shape[0])
    return _slice(graph, x[0], 1, first, _TO_THE_END, 2)


def _slice(graph: _Graph, x: str, axis: int, start: int, stop: int, step: int = 1) -> str:
    bounds = [np.array([value], dtype=np.int64) for value in (start, stop, axis, step)]
    return graph.node("Slice", [x, *(graph.constant(bound) for bound in bounds)])


def _leading(graph: _Graph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    return _slice(graph, x[0], 1, 0, layer.out_shape[0])


def _trailing(graph: _Graph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    return _slice(graph, x[0], 1, layer.in_shape[0] - layer.out_shape[0], _TO_THE_END)


def _swish(graph: _Graph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    return graph.node("Mul", [x[0], graph.node("Sigmoid", x)])


def _relu6(graph: _Graph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    bounds = [graph.constant(np.array(bound, dtype=np.float32)) for bound in (0.0, 6.0)]
    return graph.node("Clip", [x[0], *bounds])


def _reshape(graph: _Graph, x: str, *sizes: int) -> str:
    return graph.node("Reshape", [x, graph.constant(np.array(sizes, dtype=np.int64))])


def _matmul_add(graph: _Graph, x: str, cin: int, features: int) -> str:
    product = graph.node("MatMul", [x, graph.weight(features, cin, transposed=True)])
    return graph.node("Add", [product, graph.weight(features)])


def _patches(graph: _Graph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    (cin, height, width), side, (tokens, features) = layer.in_shape, layer.kernel, layer.out_shape
    tiles = (graph.batch_size, cin, height // side, side, width // side, side)
    tiled = graph.node("Transpose", [_reshape(graph, x[0], *tiles)], perm=[0, 2, 4, 1, 3, 5])
    flat = cin * side * side
    tiled = _reshape(graph, tiled, graph.batch_size, tokens, flat)
    return _matmul_add(graph, tiled, flat, features)


def _class_token(graph: _Graph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    token = graph.weight(graph.batch_size, 1, layer.out_shape[1])
    return graph.node("Concat", [token, x[0]], axis=1)


def _position(graph: _Graph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    return graph.node("Add", [x[0], graph.weight(*layer.out_shape)])


def _layer_norm(graph: _Graph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    ones = np.ones(layer.in_shape[-1], dtype=np.float32)
    scale, shift = graph.constant(ones), graph.constant(0 * ones)
    return graph.node("LayerNormalization", [x[0], scale, shift], axis=-1, epsilon=1e-5)


def _token_linear(graph: _Graph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    return _matmul_add(graph, x[0], layer.in_shape[-1], layer.out_shape[-1])


def _split_heads(graph: _Graph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    heads, tokens, features = layer.out_shape
    split = _reshape(graph, x[0], graph.batch_size, tokens, heads, features)
    transposed = any(reader.op == "transpose" for reader in readers)
    return graph.node("Transpose", [split], perm=[0, 2, 3, 1] if transposed else [0, 2, 1, 3])


def _transpose(graph: _Graph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    return graph.node("Transpose", x, perm=[0, 1, 3, 2])


def _merge_heads(graph: _Graph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    merged = graph.node("Transpose", x, perm=[0, 2, 1, 3])
    return _reshape(graph, merged, graph.batch_size, *layer.out_shape)


def _relative(graph: _Graph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    """Multiply every token by positions of its own, spread out from their tables once."""
    heads, tokens, inner = layer.in_shape
    by_token = graph.node("Transpose", x, perm=[2, 0, 1, 3])
    by_token = _reshape(graph, by_token, tokens, graph.batch_size * heads, inner)
    product = graph.node("MatMul", [by_token, graph.weight(tokens, inner, layer.out_shape[-1])])
    product = graph.node("Transpose", [product], perm=[1, 0, 2])
    return _reshape(graph, product, graph.batch_size, *layer.out_shape)


def _number(graph: _Graph, value: float) -> str:
    return graph.constant(np.array(value, dtype=np.float32))


def _row_sum(graph: _Graph, x: str) -> str:
    return graph.node("ReduceSum", [x, graph.constant(np.array([-1], dtype=np.int64))], keepdims=1)


def _relu_softmax(graph: _Graph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    kept = graph.node("Relu", x)
    total = graph.node("Add", [_row_sum(graph, kept), _number(graph, 1e-3)])
    return graph.node("Div", [kept, total])


def _two_quad(graph: _Graph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    shifted = graph.node("Add", [x[0], _number(graph, 5.0)])
    squares = graph.node("Mul", [shifted, shifted])
    return graph.node("Div", [squares, _row_sum(graph, squares)])


def _scale_attention(
    graph: _Graph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]
) -> str:
    return graph.node("Div", [x[0], _number(graph, layer.in_shape[-1])])


def _quadratic(graph: _Graph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    inner = graph.node("Mul", [x[0], _number(graph, 0.125)])
    product = graph.node("Mul", [graph.node("Add", [inner, _number(graph, 0.25)]), x[0]])
    return graph.node("Add", [product, _number(graph, 0.5)])


def _polynomial(graph: _Graph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    c2, c1, c0 = (graph.weight(layer.in_shape[0], 1, 1) for _ in range(3))
    product = graph.node("Mul", [graph.node("Add", [graph.node("Mul", [c2, x[0]]), c1]), x[0]])
    return graph.node("Add", [product, c0])


def _relu_or(graph: _Graph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    """Rectify where a mask is true; which elements that are changes no work."""
    mask = (np.arange(math.prod(layer.out_shape)) < layer.kept).reshape(layer.out_shape)
    by_polynomial = layer.op == "relu_or_polynomial"
    rest = _polynomial(graph, layer, x, readers) if by_polynomial else x[0]
    return graph.node("Where", [graph.constant(mask), graph.node("Relu", x), rest])


def _take_heads(graph: _Graph, heads: str, indices: Sequence[int]) -> str:
    return graph.node("Gather", [heads, graph.constant(np.array(indices))], axis=1)


def _select_heads(graph: _Graph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    return _take_heads(graph, x[0], layer.indices)


def _join_heads(graph: _Graph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    return _take_heads(graph, graph.node("Concat", x, axis=1), layer.indices)


def _as_shaped(graph: _Graph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    return _reshape(graph, x[0], graph.batch_size, *layer.out_shape)


def _offset_bias(graph: _Graph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    return graph.node("Add", [x[0], graph.weight(*layer.out_shape)])


def _scale(graph: _Graph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    factor = np.array(layer.in_shape[-1] ** -0.5, dtype=np.float32)
    return graph.node("Mul", [x[0], graph.constant(factor)])


def _token_pool(graph: _Graph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    patches = _slice(graph, x[0], 1, 1, _TO_THE_END)
    axes = graph.constant(np.array([1], dtype=np.int64))
    return graph.node("ReduceMean", [patches, axes], keepdims=0)


def _group_norm(graph: _Graph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    """Normalise groups as instances, which every runtime has, then scale and shift channels."""
    channels, groups = layer.out_shape[0], layer.groups
    grouped = _reshape(graph, x[0], graph.batch_size, groups, -1)
    ones = np.ones(groups, dtype=np.float32)
    inputs = [grouped, graph.constant(ones), graph.constant(0 * ones)]
    normal = graph.node("InstanceNormalization", inputs, epsilon=1e-5)
    normal = graph.node("Reshape", [normal, graph.node("Shape", x)])
    scaled = graph.node("Mul", [normal, graph.weight(channels, 1, 1)])
    return graph.node("Add", [scaled, graph.weight(channels, 1, 1)])


def _aggregate(graph: _Graph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    """Multiply every shifted window by the kernels' values for that shift, and add up."""
    (channels, height, width), side = layer.out_shape, layer.kernel
    kernels = _reshape(graph, x[1], graph.batch_size, layer.groups, side**2, height, width)
    if (repeats := -(-channels // layer.groups)) > 1:
        kernels = graph.node("Concat", [kernels] * repeats, axis=1)
    if repeats * layer.groups > channels:
        kernels = _slice(graph, kernels, 1, 0, channels)
    pads = np.array([0, 0, side // 2, side // 2] * 2, dtype=np.int64)
    around = graph.node("Pad", [x[0], graph.constant(pads)])
    total = ""
    rows = [_slice(graph, around, 2, top, top + height) for top in range(side)]
    for i in range(side**2):
        window = _slice(graph, rows[i // side], 3, i % side, i % side + width)
        values = graph.node("Gather", [kernels, graph.constant(np.array(i))], axis=2)
        product = graph.node("Mul", [window, values])
        total = graph.node("Add", [total, product]) if total else product
    return total


def _first_token(graph: _Graph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    return _slice(graph, x[0], 1, 0, 1)


def _token_map(graph: _Graph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    patches = _slice(graph, x[0], 1, 1, _TO_THE_END)
    transposed = graph.node("Transpose", [patches], perm=[0, 2, 1])
    return _reshape(graph, transposed, graph.batch_size, *layer.out_shape)


def _map_tokens(graph: _Graph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    tokens, features = layer.out_shape
    flat = _reshape(graph, x[0], graph.batch_size, features, tokens)
    return graph.node("Transpose", [flat], perm=[0, 2, 1])


def _pad_features(graph: _Graph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
    tokens, features = layer.in_shape
    zeros = np.zeros((graph.batch_size, tokens, layer.out_shape[-1] - features), np.float32)
    return graph.node("Concat", [x[0], graph.constant(zeros)], axis=2)


def _plain(op: str, **attributes: Any) -> _Lowering:
    """Return the lowering of a layer that is one node of the same inputs."""

    def lower(graph: _Graph, layer: Layer, x: Sequence[str], readers: Sequence[Layer]) -> str:
        return graph.node(op, x, **attributes)

    return lower


_LOWERINGS: dict[str, _Lowering] = {
    "add": _plain("Add"),
    "aggregate": _aggregate,
    "avg_pool": _avg_pool,
    "batch_norm": _batch_norm,
    "channel_split": _split,
    "class_token": _class_token,
    "concat": _plain("Concat", axis=1),
    "conv2d": _conv,
    "first_token": _first_token,
    "gelu": _plain("Gelu"),
    "global_avg_pool": _pool,
    "group_norm": _group_norm,
    "h_sigmoid": _plain("HardSigmoid", alpha=1 / 6, beta=0.5),
    "h_swish": _plain("HardSwish"),
    "join_heads": _join_heads,
    "layer_norm": _layer_norm,
    "leading_channels": _leading,
    "linear": _linear,
    "map_tokens": _map_tokens,
    "matmul": _plain("MatMul"),
    "max_pool": _max_pool,
    "mean": _mean,
    "merge_heads": _merge_heads,
    "merge_map": _as_shaped,
    "mul": _plain("Mul"),
    "offset_bias": _offset_bias,
    "pad_features": _pad_features,
    "patches": _patches,
    "position_embedding": _position,
    "polynomial": _polynomial,
    "quadratic": _quadratic,
    "relative_scores": _relative,
    "relative_values": _relative,
    "padded_avg_pool": _padded_avg_pool,
    "relu": _plain("Relu"),
    "relu6": _relu6,
    "reshape": _view,
    "relu_or_identity": _relu_or,
    "relu_or_polynomial": _relu_or,
    "relu_softmax": _relu_softmax,
    "scale": _scale,
    "shift": _shift,
    "sigmoid": _plain("Sigmoid"),
    "scale_attention": _scale_attention,
    "select_heads": _select_heads,
    "softmax": _plain("Softmax", axis=-1),
    "split_heads": _split_heads,
    "split_map": _as_shaped,
    "sub": _plain("Sub"),
    "swish": _swish,
    "token_linear": _token_linear,
    "token_map": _token_map,
    "token_pool": _token_pool,
    "trailing_channels": _trailing,
    "transpose": _transpose,
    "two_quad": _two_quad,
    "zero": _zero,
}
