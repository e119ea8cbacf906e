"""Elastic layers: one set of weights, used by slices whose sizes are arguments.

A layer keeps the weights of the largest size and no current one: `forward`, `active` and
`weights` are given the sizes. Weight sharing by leading slices is that of Slimmable Networks
(Yu et al. 2019) and once-for-all (Cai et al. 2020, section 3.3).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from search_spaces.modules.initialise import LINEAR_STD, normal_fan_out_
from search_spaces.modules.shard import batch_norm

__all__ = [
    "Elastic",
    "ElasticAffine",
    "ElasticBatchNorm",
    "ElasticConv2d",
    "ElasticLinear",
    "Part",
    "Region",
    "centre",
    "hull",
    "leading",
]

Region: TypeAlias = tuple[slice, ...]
"""A slice for each dimension of a parameter."""

Part: TypeAlias = tuple[str, "Elastic", tuple[Any, ...]]
"""A child of an elastic module: its name, itself, and the sizes it is used with."""


def _no_parts(self: nn.Module, *sizes: Any) -> Sequence[Part]:
    """Return the children used at these sizes; a leaf has none."""
    return ()


class Elastic(nn.Module):
    """Base of all elastic modules: which region of which parameter a size uses.

    A module with children lists them by `parts`; a leaf overrides `active` and, where the
    plain layer's tensors are not mere slices, `weights`. Names are those of the plain twin's
    state dict, so that a subnet's weights are found by name.
    """

    parts: Callable[..., Sequence[Part]] = _no_parts

    def active(self, *sizes: Any) -> dict[str, Region]:
        """Return the region of every parameter that these sizes use; absent means unused."""
        return {
            f"{name}.{key}": region
            for name, child, its_sizes in self.parts(*sizes)
            for key, region in child.active(*its_sizes).items()
        }

    def weights(self, *sizes: Any) -> dict[str, Tensor]:
        """Return the state dict of the plain twin at these sizes, as views where possible."""
        return {
            f"{name}.{key}": tensor
            for name, child, its_sizes in self.parts(*sizes)
            for key, tensor in child.weights(*its_sizes).items()
        }


def leading(parameter: Tensor, *sizes: int) -> Tensor:
    """Return the leading slice of the first dimensions; the tensor itself when it is whole."""
    for dimension, size in enumerate(sizes):
        if parameter.shape[dimension] != size:
            parameter = parameter.narrow(dimension, 0, size)
    return parameter


def _region(parameter: Tensor, *sizes: int) -> Region:
    """Return the region that `leading` selects."""
    return tuple(slice(0, size) for size in (*sizes, *parameter.shape[len(sizes) :]))


def hull(regions: Iterable[Mapping[str, Region]]) -> dict[str, Region]:
    """Return the smallest region of every parameter that holds all the given ones.

    It is taken dimension by dimension: the hull of [:8, :4] and [:4, :8] is [:8, :8].
    """
    result: dict[str, Region] = {}
    for mapping in regions:
        for name, region in mapping.items():
            if name in result and result[name] != region:
                region = tuple(
                    slice(min(a.start, b.start), max(a.stop, b.stop))
                    for a, b in zip(result[name], region, strict=True)
                )
            result[name] = region
    return result


class ElasticConv2d(Elastic):
    """A square convolution of groups 1 that uses leading channels and the centre of the kernel.

    Args:
        cin: Largest number of input channels.
        cout: Largest number of output channels.
        kernel: Side of the largest kernel; padding is dilation * (kernel // 2) or none.
        bias: Whether it has a bias.
        generator: Draws the initial weights.
    """

    def __init__(
        self,
        cin: int,
        cout: int,
        *,
        generator: torch.Generator,
        kernel: int = 1,
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(cout, cin, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(cout)) if bias else None
        normal_fan_out_(self.weight, generator)

    def forward(
        self,
        x: Tensor,
        cout: int,
        kernel: int = 1,
        stride: int = 1,
        *,
        dilation: int = 1,
        padded: bool = True,
    ) -> Tensor:
        """Convolve ``x`` [n, cin, h, w] to [n, cout, h', w']."""
        weight = leading(self.weight, cout, x.shape[1])
        if kernel != weight.shape[-1]:
            crop = centre(weight.shape[-1], kernel)
            weight = weight[:, :, crop, crop]
        bias = None if self.bias is None else leading(self.bias, cout)
        padding = dilation * (kernel // 2) if padded else 0
        return functional.conv2d(x, weight, bias, stride, padding, dilation)

    def active(self, cin: int, cout: int, kernel: int = 1) -> dict[str, Region]:
        """Return the regions used from ``cin`` to ``cout`` channels."""
        crop = centre(self.weight.shape[-1], kernel)
        regions: dict[str, Region] = {"weight": (slice(0, cout), slice(0, cin), crop, crop)}
        if self.bias is not None:
            regions["bias"] = _region(self.bias, cout)
        return regions

    def weights(self, cin: int, cout: int, kernel: int = 1) -> dict[str, Tensor]:
        """Return weight and bias of the plain convolution."""
        return _views(self, self.active(cin, cout, kernel))


class ElasticLinear(Elastic):
    """A linear layer that uses leading output and input features; see `ElasticConv2d`.

    Its initial weights have the standard deviation ``std``.
    """

    def __init__(
        self,
        cin: int,
        cout: int,
        *,
        generator: torch.Generator,
        bias: bool,
        std: float = LINEAR_STD,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(cout, cin))
        self.bias = nn.Parameter(torch.zeros(cout)) if bias else None
        nn.init.normal_(self.weight, 0.0, std, generator=generator)

    def forward(self, x: Tensor, cout: int, bias: bool | Tensor = True) -> Tensor:
        """Map ``x`` [..., cin] to [..., cout], with a bias of its own, none, or a given one."""
        weight = leading(self.weight, cout, x.shape[-1])
        if isinstance(bias, Tensor):
            return functional.linear(x, weight, bias)
        used = None if self.bias is None or not bias else leading(self.bias, cout)
        return functional.linear(x, weight, used)

    def active(self, cin: int, cout: int, bias: bool = True) -> dict[str, Region]:
        """Return the regions used from ``cin`` to ``cout`` features."""
        regions = {"weight": _region(self.weight, cout, cin)}
        if self.bias is not None and bias:
            regions["bias"] = _region(self.bias, cout)
        return regions

    def weights(self, cin: int, cout: int, bias: bool = True) -> dict[str, Tensor]:
        """Return weight and bias of the plain linear layer."""
        return _views(self, self.active(cin, cout, bias))


class ElasticBatchNorm(Elastic):
    """Batch norm over leading channels.

    In training mode it normalises with the statistics of the batch and leaves the running
    ones alone, which no single subnet owns; in evaluation mode it uses their leading slice.
    Statistics of one subnet are recalibrated on the extracted subnet.

    Args:
        channels: Largest number of channels.
        eps: Added to the variance.
    """

    def __init__(self, channels: int, *, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.running_mean: Tensor
        self.running_var: Tensor
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``x`` [n, c, h, w] or [n, c]."""
        channels = x.shape[1]
        mean = var = None
        if not self.training:
            mean = leading(self.running_mean, channels)
            var = leading(self.running_var, channels)
        weight, bias = leading(self.weight, channels), leading(self.bias, channels)
        return batch_norm(x, mean, var, weight, bias, self.training, eps=self.eps)

    def active(self, channels: int) -> dict[str, Region]:
        """Return the regions used by ``channels`` channels."""
        return {"weight": _region(self.weight, channels), "bias": _region(self.bias, channels)}

    def weights(self, channels: int) -> dict[str, Tensor]:
        """Return the state of the plain batch norm."""
        return {
            **_views(self, self.active(channels)),
            "running_mean": leading(self.running_mean, channels),
            "running_var": leading(self.running_var, channels),
            "num_batches_tracked": torch.zeros((), dtype=torch.int64, device=self.weight.device),
        }


class ElasticAffine(Elastic):
    """Scale and shift over leading features: what norms without running statistics learn."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(features))
        self.bias = nn.Parameter(torch.zeros(features))

    def active(self, features: int) -> dict[str, Region]:
        """Return the regions used by ``features`` features."""
        return {"weight": _region(self.weight, features), "bias": _region(self.bias, features)}

    def weights(self, features: int) -> dict[str, Tensor]:
        """Return scale and shift of the plain norm."""
        return _views(self, self.active(features))


def _views(layer: nn.Module, regions: dict[str, Region]) -> dict[str, Tensor]:
    """Return the named regions of a layer's parameters, detached."""
    return {name: getattr(layer, name).detach()[region] for name, region in regions.items()}


def centre(larger: int, smaller: int) -> slice:
    """Return the centre crop of one side of a kernel."""
    margin = (larger - smaller) // 2
    return slice(margin, margin + smaller)
