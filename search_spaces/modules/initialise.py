"""Initial weights, drawn from an explicit generator only."""

from __future__ import annotations

import math
import zlib

import torch
from torch import nn

from search_spaces.modules.layers import OffsetTable, TokenLinear, TokenTable

__all__ = ["LINEAR_STD", "TABLE_STD", "generator_for", "initialise", "normal_fan_out_"]

LINEAR_STD = 0.01
TABLE_STD = 0.02
"""Of everything learned in a vision transformer (Dosovitskiy et al. 2021, in DeiT's code)."""


def generator_for(seed: int, name: str) -> torch.Generator:
    """Return a CPU generator that depends on a seed and a name alone.

    Every slot of a network draws from its own, so that a change in one does not move the
    weights of another.
    """
    mixed = (zlib.crc32(name.encode()) << 32) ^ (seed & 0xFFFF_FFFF_FFFF_FFFF)
    return torch.Generator().manual_seed(mixed)


def normal_fan_out_(weight: torch.Tensor, generator: torch.Generator) -> None:
    """Fill a convolution's weight [out, in / groups, k, k] from N(0, 2 / (k * k * out)).

    He et al. 2015 (fan-out); groups are not divided by, as in once-for-all's ``he_fout``.
    """
    out, _, height, width = weight.shape
    with torch.no_grad():
        weight.normal_(0.0, math.sqrt(2.0 / (out * height * width)), generator=generator)


def initialise(module: nn.Module, generator: torch.Generator) -> None:
    """Fill all parameters and buffers of the plain torch layers inside a module.

    Convolutions as `normal_fan_out_`, linear layers from N(0, 0.01^2), those on tokens and
    tables from N(0, 0.02^2), biases zero, norms scale 1, shift 0 and fresh running statistics.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            normal_fan_out_(layer.weight, generator)
        elif isinstance(layer, nn.Linear):
            std = TABLE_STD if isinstance(layer, TokenLinear) else LINEAR_STD
            nn.init.normal_(layer.weight, 0.0, std, generator=generator)
        elif isinstance(layer, TokenTable):
            nn.init.normal_(layer.weight, 0.0, TABLE_STD, generator=generator)
        elif isinstance(layer, OffsetTable):
            nn.init.zeros_(layer.weight)
        elif isinstance(layer, nn.LayerNorm | nn.GroupNorm):
            nn.init.ones_(layer.weight)
        elif isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.ones_(layer.weight)
            layer.reset_running_stats()
        bias = getattr(layer, "bias", None)
        if isinstance(bias, nn.Parameter):
            nn.init.zeros_(bias)
