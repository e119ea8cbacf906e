"""Analytic costs: multiply-accumulates, parameters and peak activation memory of a block."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from predictors.provenance import ANALYTIC, Provenance
from search_spaces.blocks import INPUT, VIEWS, BlockSpec, Layer, inputs_read, layers_of

__all__ = ["INT8_PEAK_MEMORY", "Macs", "Params", "PeakMemory", "is_depthwise"]


@dataclass(frozen=True, slots=True)
class Macs:
    """Multiply-accumulates of convolution, linear and attention matmuls, batch 1.

    Batch norm, activation, bias and pooling count zero. Many publications call this number
    FLOPs.
    """

    metric: str = "macs"
    reduce: Literal["sum", "max"] = "sum"
    constant: float = 0.0
    provenance: Provenance = ANALYTIC

    def __call__(self, block: BlockSpec) -> float:
        """Return the multiply-accumulates of one block."""
        return float(sum(layer.macs for layer in layers_of(block)))


@dataclass(frozen=True, slots=True)
class Params:
    """Trainable parameters, the scale and shift of batch norm included."""

    metric: str = "params"
    reduce: Literal["sum", "max"] = "sum"
    constant: float = 0.0
    provenance: Provenance = ANALYTIC

    def __call__(self, block: BlockSpec) -> float:
        """Return the parameters of one block."""
        return float(sum(layer.params for layer in layers_of(block)))


@dataclass(frozen=True, slots=True)
class PeakMemory:
    """Peak activation memory of an inference that runs layer by layer, batch 1.

    Batch norm and activations work in place on their input, an addition in place on the
    main branch, unless a later layer reads what they would overwrite; a channel split and
    the split into heads are views. Every other layer needs its inputs and its output at once,
    besides what a later layer of the block still reads. Weights are not counted. Tensors held
    across blocks that are not the block's own inputs are not counted either: exact for chains
    of blocks, too low where one branch waits while the blocks of another run.

    Attributes:
        bytes_per_element: Of an activation: 4 for float32, 1 for int8.
        depthwise_in_place: Whether a depthwise convolution overwrites its input channel by
            channel, as engines for microcontrollers do (MCUNet, Lin et al. 2020,
            arXiv:2007.10319, section 3.2), unless a later layer reads the input too.
    """

    bytes_per_element: int = 4
    depthwise_in_place: bool = False
    metric: str = "peak_memory_bytes"
    reduce: Literal["sum", "max"] = "max"
    constant: float = 0.0
    provenance: Provenance = ANALYTIC

    def __call__(self, block: BlockSpec) -> float:
        """Return the peak of one block in bytes."""
        elements = _peak_elements(block, depthwise_in_place=self.depthwise_in_place)
        return float(elements * self.bytes_per_element)


INT8_PEAK_MEMORY = PeakMemory(
    bytes_per_element=1, depthwise_in_place=True, metric="int8_peak_memory_bytes"
)
"""What an int8 network needs on a microcontroller for its activations, layer by layer.

An input that waits for its addition is counted too, which MCUNetV2's figure of blocks leaves out
(Lin et al. 2021, arXiv:2110.15352, figure 1).
"""


def _peak_elements(block: BlockSpec, *, depthwise_in_place: bool) -> int:
    """Return the largest number of live activation elements while a block runs.

    A layer's buffer is named by the position that allocates it; inputs have negative ones.
    A depthwise convolution in place has a buffer of its own, for its output may be smaller,
    but while it runs the buffer lies inside that of its input.
    Inputs that the block does not read are not counted.
    """
    layers = layers_of(block)
    read = inputs_read(layers) or [block.passes]
    size = {INPUT - i: math.prod(block.in_shapes[i]) for i in read}
    buffer = {position: position for position in size}
    last_use = dict.fromkeys(size, INPUT)
    for position, layer in enumerate(layers):
        buffer[position] = buffer[layer.inputs[0]]
        if not layer.in_place or _overwrites_what_is_read(layers, position, buffer):
            buffer[position] = position
            size[position] = math.prod(layer.out_shape)
        for source in layer.inputs:
            last_use[buffer[source]] = position
    peak = sum(size[position] for position in size if position < 0)
    if layers:
        last_use[buffer[len(layers) - 1]] = len(layers)
    for position in size:
        if position >= 0:
            live = {b for b, end in last_use.items() if b < position <= end}
            source = buffer[layers[position].inputs[0]]
            inside = depthwise_in_place and is_depthwise(layers[position])
            if not (inside and last_use[source] == position):
                live.add(position)
            peak = max(peak, sum(size[b] for b in live))
    return peak


def is_depthwise(layer: Layer) -> bool:
    """Return whether a layer convolves every channel by itself into one."""
    return layer.op == "conv2d" and layer.groups == layer.in_shape[0] == layer.out_shape[0]


def _overwrites_what_is_read(
    layers: Sequence[Layer], position: int, buffer: Mapping[int, int]
) -> bool:
    """Return whether a later layer still reads what this one would overwrite in place."""
    if layers[position].op in VIEWS:
        return False
    later = (source for layer in layers[position + 1 :] for source in layer.inputs)
    return any(source < position and buffer[source] == buffer[position] for source in later)
