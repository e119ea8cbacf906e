"""Elastic layers whose channels come in pieces, each of which shrinks to its leading channels.

What reads a concatenation uses channels that are no leading slice of it. A parameter is kept in
one tensor for each piece, so that what a size uses of it is a plain region.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate

import torch
from torch import Tensor, nn

from search_spaces.modules.elastic import Elastic, Region, leading
from search_spaces.modules.initialise import LINEAR_STD, normal_fan_out_
from search_spaces.modules.shard import batch_norm

__all__ = ["PiecedBatchNorm", "PiecedWeights"]


def _joined(parts: Sequence[Tensor], dimension: int = 0) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts), dimension)


def _split(tensor: Tensor, sizes: Sequence[int], dimension: int = 0) -> list[Tensor]:
    """Return the pieces of a tensor of the largest size, as views."""
    starts = accumulate(sizes, initial=0)
    return [tensor.narrow(dimension, a, n) for a, n in zip(starts, sizes, strict=False)]


def _slices(tensors: Sequence[Tensor], sizes: Sequence[int]) -> list[Tensor]:
    """Return the leading elements of every tensor."""
    return [leading(tensor, size) for tensor, size in zip(tensors, sizes, strict=True)]


def _regions(name: str, taken: Sequence[Tensor]) -> dict[str, Region]:
    """Return the region of every parameter of a list, given its leading slice."""
    return {
        f"{name}.{i}": tuple(slice(0, size) for size in tensor.shape)
        for i, tensor in enumerate(taken)
    }


class PiecedWeights(Elastic):
    """Weight and bias of a convolution or linear layer.

    Args:
        made: Largest size of every piece of the output.
        read: Largest size of every piece of the input that one output reads.
        kernel: Height and width of a convolution's kernel; empty for a linear layer.
        bias: Whether there is one.
        generator: Draws the initial weights.
    """

    def __init__(
        self,
        made: Sequence[int],
        read: Sequence[int],
        *,
        bias: bool,
        generator: torch.Generator,
        kernel: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.made, self.read = tuple(made), tuple(read)
        shapes = [(rows, columns, *kernel) for rows in made for columns in read]
        self.weight = nn.ParameterList(torch.empty(shape) for shape in shapes)
        self.bias = nn.ParameterList(torch.zeros(size) for size in made) if bias else None
        for weight in self.weight:
            if kernel:
                normal_fan_out_(weight, generator)
            else:
                nn.init.normal_(weight, 0.0, LINEAR_STD, generator=generator)

    def _taken(self, made: Sequence[int], read: Sequence[int]) -> list[Tensor]:
        sizes = [(rows, columns) for rows in made for columns in read]
        return [leading(part, *size) for part, size in zip(self.weight, sizes, strict=True)]

    def forward(self, made: Sequence[int], read: Sequence[int]) -> tuple[Tensor, Tensor | None]:
        """Return weight [sum(made), sum(read), ...] and bias [sum(made)] of the plain layer."""
        parts, columns = self._taken(made, read), len(read)
        rows = [_joined(parts[i : i + columns], 1) for i in range(0, len(parts), columns)]
        bias = None if self.bias is None else _joined(_slices([*self.bias], made))
        return _joined(rows), bias

    def active(self, made: Sequence[int], read: Sequence[int]) -> dict[str, Region]:
        """Return the leading region of every piece."""
        regions = _regions("weight", self._taken(made, read))
        if self.bias is not None:
            regions |= _regions("bias", _slices([*self.bias], made))
        return regions

    def weights(self, made: Sequence[int], read: Sequence[int]) -> dict[str, Tensor]:
        """Return weight and bias of the plain layer."""
        weight, bias = self(made, read)
        return {"weight": weight.detach()} | ({} if bias is None else {"bias": bias.detach()})

    @torch.no_grad()
    def load(self, plain: Mapping[str, Tensor]) -> None:
        """Take over the state dict of a plain layer of the largest size."""
        rows = _split(plain["weight"], self.made)
        parts = [part for row in rows for part in _split(row, self.read, 1)]
        for own, part in zip(self.weight, parts, strict=True):
            own.copy_(part)
        if self.bias is not None:
            for own, part in zip(self.bias, _split(plain["bias"], self.made), strict=True):
                own.copy_(part)


class PiecedBatchNorm(Elastic):
    """Batch norm with a constant of its own; for its statistics see `ElasticBatchNorm`.

    Args:
        channels: Largest size of every piece.
        eps: Added to the variance.
    """

    def __init__(self, channels: Sequence[int], eps: float) -> None:
        super().__init__()
        self.channels, self.eps = tuple(channels), eps
        self.weight = nn.ParameterList(torch.ones(size) for size in channels)
        self.bias = nn.ParameterList(torch.zeros(size) for size in channels)
        self.running_mean: Tensor
        self.running_var: Tensor
        self.register_buffer("running_mean", torch.zeros(sum(channels)))
        self.register_buffer("running_var", torch.ones(sum(channels)))

    def _tensors(self, channels: Sequence[int]) -> dict[str, Tensor]:
        """Return scale, shift and statistics at a size."""
        statistics = {"running_mean": self.running_mean, "running_var": self.running_var}
        parts = {"weight": [*self.weight], "bias": [*self.bias]}
        parts |= {name: _split(whole, self.channels) for name, whole in statistics.items()}
        return {name: _joined(_slices(tensors, channels)) for name, tensors in parts.items()}

    def forward(self, x: Tensor, channels: Sequence[int]) -> Tensor:
        """Normalise ``x`` [n, c, ...]."""
        own = self._tensors(channels)
        mean = None if self.training else own["running_mean"]
        var = None if self.training else own["running_var"]
        return batch_norm(x, mean, var, own["weight"], own["bias"], self.training, eps=self.eps)

    def active(self, channels: Sequence[int]) -> dict[str, Region]:
        """Return the leading region of every piece."""
        return {
            **_regions("weight", _slices([*self.weight], channels)),
            **_regions("bias", _slices([*self.bias], channels)),
        }

    def weights(self, channels: Sequence[int]) -> dict[str, Tensor]:
        """Return the state of the plain batch norm."""
        counter = torch.zeros((), dtype=torch.int64, device=self.running_mean.device)
        own = {name: tensor.detach() for name, tensor in self._tensors(channels).items()}
        return {**own, "num_batches_tracked": counter}

    @torch.no_grad()
    def load(self, plain: Mapping[str, Tensor]) -> None:
        """Take over the state dict of a plain batch norm of the largest size."""
        for name, parameters in (("weight", self.weight), ("bias", self.bias)):
            for own, part in zip(parameters, _split(plain[name], self.channels), strict=True):
                own.copy_(part)
        self.running_mean.copy_(plain["running_mean"])
        self.running_var.copy_(plain["running_var"])
