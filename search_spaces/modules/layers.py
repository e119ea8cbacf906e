"""Torch's own layers without their own initial weights.

Constructing a torch layer draws weights from the global generator. Here they are either
copied from a supernet or drawn from an explicit generator (`initialise`), so the draw is left
out: half of the time it takes to build a network, and no global state is touched.
"""

from __future__ import annotations

import torch
from torch import nn

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "Conv2d",
    "GroupNorm",
    "LayerNorm",
    "Linear",
    "OffsetTable",
    "TokenLinear",
    "TokenTable",
]


class Conv2d(nn.Conv2d):
    """A convolution whose weights are not initialised yet."""

    def reset_parameters(self) -> None:
        """Leave the weights as they are."""


class BatchNorm1d(nn.BatchNorm1d):
    """Batch norm of features whose scale and shift are not initialised yet."""

    def reset_parameters(self) -> None:
        """Leave scale, shift and statistics as they are."""


class BatchNorm2d(nn.BatchNorm2d):
    """Batch norm whose scale and shift are not initialised yet."""

    def reset_parameters(self) -> None:
        """Leave scale, shift and statistics as they are."""


class GroupNorm(nn.GroupNorm):
    """Group norm whose scale and shift are not initialised yet."""

    def reset_parameters(self) -> None:
        """Leave scale and shift as they are."""


class Linear(nn.Linear):
    """A linear layer whose weights are not initialised yet."""

    def reset_parameters(self) -> None:
        """Leave the weights as they are."""


class TokenLinear(Linear):
    """A linear layer on tokens, which is initialised as in vision transformers."""


class LayerNorm(nn.LayerNorm):
    """Layer norm whose scale and shift are not initialised yet."""

    def reset_parameters(self) -> None:
        """Leave scale and shift as they are."""


class OffsetTable(nn.Module):
    """A learned bias for every head and distance on a square map, not initialised yet.

    Args:
        heads: Of attention.
        side: Height = width of the map.
    """

    def __init__(self, heads: int, side: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(heads, side, side))


class TokenTable(nn.Module):
    """A learned vector for every row, not initialised yet.

    Args:
        rows: Number of vectors.
        features: Of each.
    """

    def __init__(self, rows: int, features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(rows, features))
