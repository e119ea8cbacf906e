"""Channels inside a block that may change places without changing what the block computes.

Weight sharing keeps leading channels, so the important ones should lead. Once-for-all sorts them
before smaller widths are trained (Cai et al. 2020, arXiv:1908.09791, section 3.3).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import torch
from torch import Tensor

__all__ = ["ChannelGroup", "Orders", "importance_order", "outputs", "reorder"]

Orders: TypeAlias = dict[str, list[tuple[int, Tensor]]]
"""By the name of a tensor: dimensions, and for each place there the channel to move to it."""


@dataclass(frozen=True, slots=True)
class ChannelGroup:
    """Channels that one layer of a block makes and others of the same block read.

    Attributes:
        axes: Every parameter and buffer of the block that they run through, and its dimension.
        reader: The parameter that mixes them; its weights tell how important a channel is.
        used: From a block's spec to how many of them it uses: the leading ones.
    """

    axes: Mapping[str, int]
    reader: str
    used: Callable[[Any], int]


def outputs(name: str) -> dict[str, int]:
    """Return the axes of the channels that a convolution with batch norm makes."""
    tensors = ("conv.weight", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var")
    return {f"{name}.{tensor}": 0 for tensor in tensors}


def importance_order(reader: Tensor, dimension: int, kept: Iterable[int]) -> Tensor:
    """Return the order of channels from important to unimportant, int64 [channels].

    A channel is as important as the sum of the absolute weights that read it. Channels stay on
    their side of every width in `kept`, so networks of these widths compute what they did.

    Args:
        reader: The weight that reads the channels.
        dimension: Of the reader, along which the channels lie.
        kept: Numbers of leading channels that must stay the same sets.
    """
    channels = reader.shape[dimension]
    importance = reader.detach().abs().transpose(0, dimension).flatten(1).sum(dim=1)
    inner = sorted({width for width in kept if 0 < width < channels})
    bounds = [0, *inner, channels]
    parts = [
        start + importance[start:stop].argsort(descending=True, stable=True)
        for start, stop in pairwise(bounds)
    ]
    return torch.cat(parts)


@torch.no_grad()
def reorder(
    tensors: Mapping[str, Tensor], orders: Mapping[str, Sequence[tuple[int, Tensor]]]
) -> None:
    """Move the channels of the named tensors in place; those without an order stay."""
    for name, tensor in tensors.items():
        for dimension, order in orders.get(name, ()):
            tensor.copy_(tensor.index_select(dimension, order))
