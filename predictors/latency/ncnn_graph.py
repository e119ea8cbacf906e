"""ONNX graphs of our latency networks in ncnn's format: a text of layers, and their weights.

ncnn's own converter takes five seconds a network; this takes milliseconds, for the nodes that
`onnx_graph` writes for convolutional networks. Activations are fused into the convolution or
linear layer before them, as ncnn's optimiser does. Formats: ncnn's "param and model file
structure" and "operators" pages (Tencent, BSD-3).
"""

from __future__ import annotations

import json
import struct
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from predictors.errors import MeasurementError
from predictors.latency.onnx_file import OnnxNetwork, OnnxNode, read_onnx
from search_spaces.errors import nearest

__all__ = ["to_ncnn"]

_MAGIC = 7767517
_GLOBAL = "0=1 4=1"
_TO_THE_END = -233
_FLOAT32 = struct.pack("<I", 0)
_FUSED: dict[str, str] = {
    "Relu": "9=1",
    "Sigmoid": "9=4",
    "HardSwish": f"9=6 -23310=2,{1 / 6:.9g},0.5",
}


def to_ncnn(onnx: bytes) -> bytes:
    """Return a network in ncnn's format: a line of JSON, the layers' text and the weights.

    Args:
        onnx: A serialised model of batch 1, as `onnx_graph.to_onnx` writes it.

    Raises:
        MeasurementError: A node has no counterpart here, or the batch is not 1.
        MissingExtraError: onnx is not installed.
    """
    network = read_onnx(onnx)
    if any(shape[0] != 1 for shape in network.inputs.values()):
        raise MeasurementError("ncnn runs one image at a time. Measure with batch 1.")
    writer = _Writer(network)
    text = writer.text().encode()
    header = {"inputs": list(network.inputs), "output": network.output, "text_bytes": len(text)}
    return json.dumps(header).encode() + b"\n" + text + b"".join(writer.weights)


class _Writer:
    """Collects layers; a value that several layers read is split, as ncnn demands.

    Args:
        network: To be written.
    """

    def __init__(self, network: OnnxNetwork) -> None:
        self.network = network
        self.weights: list[bytes] = []
        self._lines: list[str] = []
        self._blobs = 0
        self._same: dict[str, str] = {}
        self._vectors: set[str] = set()
        nodes = self._without_what_is_fused()
        self._readers = Counter(
            self._same.get(name, name)
            for node in nodes
            for name in node.inputs
            if name not in network.weights
        )
        self._readers[self._same.get(network.output, network.output)] += 1
        self._copies: dict[str, list[str]] = {}
        for name in network.inputs:
            self.layer("Input", [], name)
        for node in nodes:
            _lowering(node)(self, node)

    def _without_what_is_fused(self) -> list[OnnxNode]:
        """Return the nodes without activations that the layer before them does."""
        readers = Counter(name for node in self.network.nodes for name in node.inputs)
        made = {node.output: node for node in self.network.nodes}
        self.fused: dict[str, str] = {}
        left = []
        for node in self.network.nodes:
            before = made.get(node.inputs[0])
            act = _FUSED.get(node.op)
            if node.op == "Clip" and before is not None:
                low, high = (float(self.network.weights[name]) for name in node.inputs[1:3])
                act = f"9=3 -23310=2,{low:g},{high:g}"
            fits = before is not None and before.op in ("Conv", "Gemm")
            if act and before is not None and fits and readers[before.output] == 1:
                self.fused[before.output] = act
                self._same[node.output] = before.output
            else:
                left.append(node)
        return left

    def layer(self, kind: str, inputs: Sequence[str], output: str, parameters: str = "") -> None:
        """Add a layer; where its output is read more than once, a split follows."""
        sources = [self._copies[self._same.get(name, name)].pop() for name in inputs]
        if kind == "InnerProduct" or parameters == _GLOBAL or (inputs and self.vectors(inputs)):
            self._vectors.add(output)
        count = self._readers[output]
        self._add(kind, sources, [f"{output}_0"], parameters)
        if count > 1:
            copies = [f"{output}_{i + 1}" for i in range(count)]
            self._add("Split", [f"{output}_0"], copies)
            self._copies[output] = copies
        else:
            self._copies[output] = [f"{output}_0"]

    def vectors(self, names: Sequence[str]) -> bool:
        """Return whether all values have one dimension only, as after a global pool."""
        return all(self._same.get(name, name) in self._vectors for name in names)

    def _add(
        self, kind: str, inputs: Sequence[str], outputs: Sequence[str], parameters: str = ""
    ) -> None:
        self._blobs += len(outputs)
        counts = f"{len(inputs)} {len(outputs)}"
        words = [kind, f"layer{len(self._lines)}", counts, *inputs, *outputs, parameters]
        self._lines.append(" ".join(word for word in words if word))

    def text(self) -> str:
        """Return the layers' file."""
        output = self._same.get(self.network.output, self.network.output)
        (last,) = self._copies[output]
        self._add("Noop", [last], ["output"])
        head = f"{_MAGIC}\n{len(self._lines)} {self._blobs}\n"
        return head + "\n".join(self._lines) + "\n"

    def keep(self, values: NDArray[Any], *, flagged: bool = False) -> None:
        """Add weights; those of a kernel have a word before them that tells their type."""
        self.weights.append((_FLOAT32 if flagged else b"") + values.astype("<f4").tobytes())


_Lowering: TypeAlias = Callable[[_Writer, OnnxNode], None]


def _lowering(node: OnnxNode) -> _Lowering:
    if node.op not in _LOWERINGS:
        raise MeasurementError(
            f"The operator {node.op} has no counterpart in ncnn here, so this network cannot be "
            f"measured with it. {nearest(node.op, _LOWERINGS)}"
        )
    return _LOWERINGS[node.op]


def _conv(writer: _Writer, node: OnnxNode) -> None:
    weight = writer.network.weights[node.inputs[1]]
    attributes, group = node.attributes, int(node.attributes.get("group", 1))
    if writer.vectors(node.inputs[:1]) and group == 1:
        _linear(writer, node)
        return
    (kernel_h, kernel_w), (stride_h, stride_w) = weight.shape[2:], attributes["strides"]
    top, left, bottom, right = attributes["pads"]
    dilation_h, dilation_w = attributes.get("dilations", (1, 1))
    fields = {0: weight.shape[0], 1: kernel_w, 11: kernel_h, 2: dilation_w, 12: dilation_h}
    fields |= {3: stride_w, 13: stride_h, 4: left, 14: top, 15: right, 16: bottom}
    fields |= {5: int(len(node.inputs) > 2), 6: weight.size}
    if group > 1:
        fields[7] = group
    kind = "ConvolutionDepthWise" if group > 1 else "Convolution"
    _weighted(writer, node, kind, fields, weight)


def _linear(writer: _Writer, node: OnnxNode) -> None:
    weight = writer.network.weights[node.inputs[1]]
    if node.op == "Gemm" and not node.attributes.get("transB"):
        weight = weight.T
    fields = {0: weight.shape[0], 1: int(len(node.inputs) > 2), 2: weight.size}
    _weighted(writer, node, "InnerProduct", fields, weight)


def _weighted(
    writer: _Writer, node: OnnxNode, kind: str, fields: dict[int, int], weight: NDArray[Any]
) -> None:
    parameters = " ".join(f"{key}={value}" for key, value in sorted(fields.items()))
    fused = writer.fused.get(node.output, "")
    writer.layer(kind, node.inputs[:1], node.output, f"{parameters} {fused}".strip())
    writer.keep(weight, flagged=True)
    if len(node.inputs) > 2:
        writer.keep(writer.network.weights[node.inputs[2]])


def _plain(kind: str, parameters: str = "") -> _Lowering:
    return lambda writer, node: writer.layer(kind, node.inputs[:1], node.output, parameters)


def _binary(number: int) -> _Lowering:
    def lower(writer: _Writer, node: OnnxNode) -> None:
        scalar = [n for n in node.inputs if n in writer.network.weights]
        if not scalar:
            writer.layer("BinaryOp", node.inputs, node.output, f"0={number}")
            return
        value = writer.network.weights[scalar[0]]
        if value.size != 1 or scalar[0] != node.inputs[1]:
            raise MeasurementError(f"ncnn: {node.op} with a constant of {value.size} values.")
        parameters = f"0={number} 1=1 2={float(value.ravel()[0]):.9g}"
        writer.layer("BinaryOp", node.inputs[:1], node.output, parameters)

    return lower


def _window(node: OnnxNode) -> dict[int, int]:
    (kernel_h, kernel_w), (stride_h, stride_w) = (
        node.attributes["kernel_shape"],
        node.attributes["strides"],
    )
    top, left, bottom, right = node.attributes.get("pads", (0, 0, 0, 0))
    fields = {1: kernel_w, 11: kernel_h, 2: stride_w, 12: stride_h}
    return fields | {3: left, 13: top, 14: right, 15: bottom}


def _pool(maximum: bool) -> _Lowering:
    def lower(writer: _Writer, node: OnnxNode) -> None:
        whole = 0 if node.attributes.get("ceil_mode") else 1
        counted = int(node.attributes.get("count_include_pad", 0))
        fields = {0: int(not maximum), **_window(node), 5: whole, 6: counted}
        parameters = " ".join(f"{key}={value}" for key, value in sorted(fields.items()))
        writer.layer("Pooling", node.inputs[:1], node.output, parameters)

    return lower


def _mean(writer: _Writer, node: OnnxNode) -> None:
    axes = writer.network.weights[node.inputs[1]].tolist() if len(node.inputs) > 1 else [2, 3]
    if axes != [2, 3]:
        raise MeasurementError("ncnn: only a mean over height and width has a counterpart here.")
    writer.layer("Pooling", node.inputs[:1], node.output, _GLOBAL)


def _clip(writer: _Writer, node: OnnxNode) -> None:
    low, high = (float(writer.network.weights[name]) for name in node.inputs[1:3])
    writer.layer("Clip", node.inputs[:1], node.output, f"0={low:g} 1={high:g}")


def _hard_sigmoid(writer: _Writer, node: OnnxNode) -> None:
    alpha = float(node.attributes.get("alpha", 0.2))
    beta = float(node.attributes.get("beta", 0.5))
    writer.layer("HardSigmoid", node.inputs, node.output, f"0={alpha:.9g} 1={beta:.9g}")


def _batch_norm(writer: _Writer, node: OnnxNode) -> None:
    scale, shift, mean, variance = (writer.network.weights[name] for name in node.inputs[1:])
    eps = float(node.attributes.get("epsilon", 1e-5))
    writer.layer("BatchNorm", node.inputs[:1], node.output, f"0={scale.size} 1={eps:.9g}")
    for values in (scale, mean, variance, shift):
        writer.keep(values)


def _slice(writer: _Writer, node: OnnxNode) -> None:
    start, stop, axis, step = (int(writer.network.weights[n].item()) for n in node.inputs[1:5])
    if step != 1 or axis < 1:
        raise MeasurementError(f"ncnn: a slice of every {step}. value has no counterpart here.")
    end = _TO_THE_END if stop >= np.iinfo(np.int32).max else stop
    ranges = f"-23309=1,{start} -23310=1,{end} -23311=1,{axis - 1}"
    writer.layer("Crop", node.inputs[:1], node.output, ranges)


def _concat(writer: _Writer, node: OnnxNode) -> None:
    writer.layer("Concat", node.inputs, node.output, f"0={int(node.attributes['axis']) - 1}")


_LOWERINGS: dict[str, _Lowering] = {
    "Add": _binary(0),
    "AveragePool": _pool(False),
    "BatchNormalization": _batch_norm,
    "Clip": _clip,
    "Concat": _concat,
    "Conv": _conv,
    "Flatten": _plain("Flatten"),
    "Gelu": _plain("GELU"),
    "Gemm": _linear,
    "GlobalAveragePool": _mean,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _plain("HardSwish", f"0={1 / 6:.9g} 1=0.5"),
    "MaxPool": _pool(True),
    "Mul": _binary(2),
    "ReduceMean": _mean,
    "Relu": _plain("ReLU"),
    "Sigmoid": _plain("Sigmoid"),
    "Slice": _slice,
    "Sub": _binary(1),
}
