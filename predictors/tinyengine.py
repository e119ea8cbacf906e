"""SRAM that TinyEngine, MCUNet's inference engine, allocates (Lin et al. 2020, arXiv:2007.10319).

It reserves three areas for the whole network, each as large as its most demanding layer asks:
activations (`INT8_PEAK_MEMORY`), columns of the input that a convolution reads (`Im2colBuffer`)
and widened weights of the first convolution (`KernelBuffer`). Each compiles into a maximum over
slots; what is allocated is their sum, `tinyengine_bytes`. The rules for the two buffers reproduce
the totals in the published generated code of two networks; inference by patches is not modelled.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from predictors.analytic import INT8_PEAK_MEMORY, is_depthwise
from predictors.provenance import ANALYTIC, Provenance
from search_spaces.blocks import BlockSpec, Layer, layers_of

__all__ = ["Im2colBuffer", "KernelBuffer", "tinyengine_bytes"]

_WIDENED = 2
"""Bytes of an int8 value that is widened for multiplication."""


@dataclass(frozen=True, slots=True)
class Im2colBuffer:
    """Largest buffer that any convolution of a block reads its input through.

    A depthwise convolution works on one padded channel, with room for its output beside it; any
    other convolution on two columns of widened inputs.
    """

    metric: str = "im2col_bytes"
    reduce: Literal["sum", "max"] = "max"
    constant: float = 0.0
    provenance: Provenance = ANALYTIC

    def __call__(self, block: BlockSpec) -> float:
        """Return the bytes for one block; none without a convolution."""
        convolutions = (layer for layer in layers_of(block) if layer.op == "conv2d")
        return float(max(map(_im2col_bytes, convolutions), default=0))


@dataclass(frozen=True, slots=True)
class KernelBuffer:
    """Widened weights of a square convolution of three channels, which is the first one."""

    metric: str = "kernel_buffer_bytes"
    reduce: Literal["sum", "max"] = "max"
    constant: float = 0.0
    provenance: Provenance = ANALYTIC

    def __call__(self, block: BlockSpec) -> float:
        """Return the bytes for one block; none where no convolution reads an image."""
        images = (
            layer
            for layer in layers_of(block)
            if layer.op == "conv2d" and layer.in_shape[0] == 3 and layer.kernel > 1
        )
        return float(max((_WIDENED * _weights(layer) for layer in images), default=0))


def tinyengine_bytes(blocks: Iterable[BlockSpec]) -> float:
    """Return the SRAM that TinyEngine allocates for a chain of blocks, batch 1, layer by layer.

    Args:
        blocks: Of one network.
    """
    blocks = list(blocks)
    models = (INT8_PEAK_MEMORY, Im2colBuffer(), KernelBuffer())
    return sum(max(map(model, blocks), default=0.0) for model in models)


def _im2col_bytes(layer: Layer) -> int:
    if is_depthwise(layer):
        _, height, width = layer.in_shape
        margin = 2 * (layer.kernel // 2) if layer.padded else 0
        return 2 * (height + margin) * (width + margin)
    return 2 * _WIDENED * layer.in_shape[0] // layer.groups * layer.kernel**2


def _weights(layer: Layer) -> int:
    """Return the number of weights of a convolution."""
    return layer.in_shape[0] // layer.groups * layer.kernel**2 * layer.out_shape[0]
