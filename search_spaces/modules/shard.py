"""Batches that several processes share: what in a network depends on all images of a batch.

Batch norm takes the statistics of the whole batch, dropout and drop-path its random numbers, so
that a network computes in several processes what it computes in one. Everything else in a
network treats every image alone.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional

from search_spaces.modules.scoped import Scoped

__all__ = ["Shard", "batch_norm", "dropout", "sharded", "uniform_per_image"]


@dataclass(frozen=True, slots=True)
class Shard:
    """Which images of a batch this process computes.

    Attributes:
        first: Position of its first image in the batch.
        count: Images of the batch, those of all processes together.
        total: Sums a tensor over the processes, in place, with the same result in all; None
            where batch norm takes the statistics of each process's own images.
    """

    first: int
    count: int
    total: Callable[[Tensor], Tensor] | None


_shard: Scoped[Shard | None] = Scoped("shard", None)


def sharded(shard: Shard | None) -> AbstractContextManager[None]:
    """Let networks that run inside the block compute a part of a batch; None is a whole one."""
    return _shard.put(shard)


def dropout(x: Tensor, p: float, training: bool) -> Tensor:
    """Return `torch.nn.functional.dropout` of ``x`` [n, ...], with the whole batch's mask."""
    shard = _shard.get()
    if shard is None or not training or p == 0.0:
        return functional.dropout(x, p, training)
    mask = functional.dropout(x.new_ones(shard.count, *x.shape[1:]), p)
    return x * mask[shard.first : shard.first + len(x)]


def uniform_per_image(count: int, device: torch.device) -> Tensor:
    """Return a number from [0, 1) for each of `count` images: those that the batch draws."""
    shard = _shard.get()
    if shard is None:
        return torch.rand(count, device=device)
    return torch.rand(shard.count, device=device)[shard.first : shard.first + count]


def batch_norm(
    x: Tensor,
    mean: Tensor | None,
    var: Tensor | None,
    weight: Tensor,
    bias: Tensor,
    training: bool,
    *,
    eps: float,
) -> Tensor:
    """Return `torch.nn.functional.batch_norm` of ``x`` [n, c, ...].

    In training mode it normalises with the statistics of the whole batch, of all processes.
    """
    shard = _shard.get()
    if shard is None or shard.total is None or not training:
        return functional.batch_norm(x, mean, var, weight, bias, training, eps=eps)
    apply: Callable[..., Tensor] = _SharedBatchNorm.apply
    return apply(x, weight, bias, eps, shard.total)


class _SharedBatchNorm(Function):
    """Batch norm over all processes: one small sum forward, one backward.

    `torch.nn.SyncBatchNorm` computes the same, but on GPUs only.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        eps: float,
        total: Callable[[Tensor], Tensor],
    ) -> Tensor:
        wide = x if x.dtype == torch.float64 else x.float()
        axes = [axis for axis in range(x.dim()) if axis != 1]
        var, mean = (s.double() for s in torch.var_mean(wide, axes, correction=0))
        count = mean.new_full((1,), x.numel() // x.shape[1])
        # The variance between processes is exact enough as a difference in double precision.
        sums = total(torch.cat([mean, var + mean.square(), mean.new_ones(1)]) * count)
        mean, square, count = (*sums[:-1].div(sums[-1]).tensor_split(2), sums[-1])
        var = (square - mean.square()).clamp(min=0.0)
        mean, var = mean.to(wide.dtype), var.to(wide.dtype)
        ctx.save_for_backward(x, weight, mean, (var + eps).rsqrt(), count.to(wide.dtype))
        ctx.total = total
        return functional.batch_norm(x, mean, var, weight, bias, False, eps=eps)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, inverse, count = ctx.saved_tensors
        shape = [1, -1, *[1] * (x.dim() - 2)]
        axes = [axis for axis in range(x.dim()) if axis != 1]
        gradient = gradients[0].to(mean.dtype)
        normal = (x.to(mean.dtype) - mean.view(shape)) * inverse.view(shape)
        d_bias, d_weight = gradient.sum(axes), (gradient * normal).sum(axes)
        sums = ctx.total(torch.cat([d_bias, d_weight])) / count  # of all processes, for d_x
        by_mean, by_normal = (part.view(shape) for part in sums.tensor_split(2))
        d_x = (gradient - by_mean - normal * by_normal) * (weight * inverse).view(shape)
        return d_x.to(x.dtype), d_weight.to(weight.dtype), d_bias.to(weight.dtype), None, None
