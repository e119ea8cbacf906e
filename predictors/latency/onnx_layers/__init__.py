"""How each kind of layer is written in ONNX, by family."""

from __future__ import annotations

from predictors.latency.onnx_layers.activations import ACTIVATIONS
from predictors.latency.onnx_layers.attention import ATTENTION
from predictors.latency.onnx_layers.images import IMAGES
from predictors.latency.onnx_layers.lowering import Lowering
from predictors.latency.onnx_layers.tokens import TOKENS

__all__ = ["LOWERINGS", "Lowering"]

LOWERINGS: dict[str, Lowering] = IMAGES | ACTIVATIONS | TOKENS | ATTENTION
"""By `Layer.op`."""
