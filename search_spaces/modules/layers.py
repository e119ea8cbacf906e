"""Torch's own layers without their own initial weights.

Constructing a torch layer draws weights from the global generator. Here they are either
copied from a supernet or drawn from an explicit generator (`initialise`), so the draw is left
out: half of the time it takes to build a network, and no global state is touched.
"""

from __future__ import annotations

from torch import nn

__all__ = ["BatchNorm2d", "Conv2d", "Linear"]


class Conv2d(nn.Conv2d):
    """A convolution whose weights are not initialised yet."""

    def reset_parameters(self) -> None:
        """Leave the weights as they are."""


class BatchNorm2d(nn.BatchNorm2d):
    """Batch norm whose scale and shift are not initialised yet."""

    def reset_parameters(self) -> None:
        """Leave scale, shift and statistics as they are."""


class Linear(nn.Linear):
    """A linear layer whose weights are not initialised yet."""

    def reset_parameters(self) -> None:
        """Leave the weights as they are."""
