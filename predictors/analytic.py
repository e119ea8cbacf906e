"""Analytic costs: multiply-accumulates, parameters and peak activation memory of a block."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from predictors.provenance import ANALYTIC, Provenance
from search_spaces.blocks import INPUT, VIEWS, BlockSpec, Layer, inputs_read, layers_of

__all__ = ["Macs", "Params", "PeakMemory"]


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
    of blocks.
    """

    bytes_per_element: int = 4
    metric: str = "peak_memory_bytes"
    reduce: Literal["sum", "max"] = "max"
    constant: float = 0.0
    provenance: Provenance = ANALYTIC

    def __call__(self, block: BlockSpec) -> float:
        """Return the peak of one block in bytes."""
        return float(_peak_elements(block) * self.bytes_per_element)


def _peak_elements(block: BlockSpec) -> int:
    """Return the largest number of live activation elements while a block runs.

    A layer's buffer is named by the position that allocates it; inputs have negative ones.
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
            live = {b for b, end in last_use.items() if b < position <= end} | {position}
            peak = max(peak, sum(size[b] for b in live))
    return peak


def _overwrites_what_is_read(
    layers: Sequence[Layer], position: int, buffer: Mapping[int, int]
) -> bool:
    """Return whether a later layer still reads what this one would overwrite in place."""
    if layers[position].op in VIEWS:
        return False
    later = (source for layer in layers[position + 1 :] for source in layer.inputs)
    return any(source < position and buffer[source] == buffer[position] for source in later)
