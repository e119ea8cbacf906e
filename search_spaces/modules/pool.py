"""Average pooling that rounds up, as the torch-free `Tape.avg_pool` counts it."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

__all__ = ["avg_pool"]


def avg_pool(x: Tensor, stride: int) -> Tensor:
    """Average windows of stride x stride of ``x`` [n, c, h, w]; a border one has fewer pixels."""
    return x if stride == 1 else functional.avg_pool2d(x, stride, stride, ceil_mode=True)
