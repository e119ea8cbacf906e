"""Elastic depthwise convolution: kernels of several sizes in one weight."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from search_spaces.modules.elastic import Elastic, Region, centre, leading
from search_spaces.modules.initialise import normal_fan_out_

__all__ = ["ElasticDepthwise"]


class ElasticDepthwise(Elastic):
    """A depthwise convolution with elastic channels and elastic kernel.

    Once-for-all's kernel transforms (Cai et al. 2020, section 3.3): the weight is that of
    the largest kernel. The next smaller one is its centre crop, mapped by a learned square
    matrix which all channels share; so on down the chain. Matrices start as the identity. A
    k*k x k*k matrix is kept as [k, k, k, k] (output row and column, input row and column),
    so that what a still smaller kernel crops from its output is a plain region. Without
    transforms a smaller kernel is the plain centre crop of the largest (BigNAS, Yu et al. 2020).

    Args:
        channels: Largest number of channels.
        kernels: Sides of the kernels that are asked for, odd.
        generator: Draws the initial weights.
        transform: Whether smaller kernels pass the transforms.
    """

    def __init__(
        self,
        channels: int,
        *,
        kernels: Sequence[int],
        generator: torch.Generator,
        transform: bool = True,
    ) -> None:
        super().__init__()
        self.transform = transform
        self.kernels = tuple(sorted(set(kernels), reverse=True))
        largest = self.kernels[0]
        self.weight = nn.Parameter(torch.empty(channels, 1, largest, largest))
        normal_fan_out_(self.weight, generator)
        for larger, k in pairwise(self.kernels if transform else ()):
            matrix = torch.eye(k * k).view(k, k, k, k)
            self.register_parameter(_transform(larger, k), nn.Parameter(matrix))
        self._chains = {kernel: _chain(self.kernels, kernel) for kernel in self.kernels}

    def kernel_weight(self, channels: int, kernel: int) -> Tensor:
        """Return the weight [channels, 1, kernel, kernel] after crops and transforms."""
        weight = leading(self.weight, channels)
        if kernel == self.kernels[0]:
            return weight
        if not self.transform:
            crop = centre(self.kernels[0], kernel)
            return weight[:, :, crop, crop]
        matrix = self._matrix(kernel)
        mapped = functional.linear(weight.flatten(1), matrix).view(channels, 1, kernel, kernel)
        if self.weight.stride(1) == 1:
            # One input channel leaves the layout open. On maps of a single pixel the weight's
            # strides alone decide whether the convolution runs channels-last, which is faster.
            mapped = mapped.to(memory_format=torch.channels_last)
        return mapped

    def _matrix(self, kernel: int) -> Tensor:
        """Return what maps the largest kernel to a smaller one, [kernel^2, largest^2]."""
        (name, inputs, outputs), *later = self._chains[kernel]
        matrix = _rows(getattr(self, name), outputs)
        for name, _, outputs in later:
            matrix = _rows(getattr(self, name), outputs) @ matrix
        k, margin = inputs.stop - inputs.start, inputs.start
        return functional.pad(matrix.view(-1, k, k), (margin, margin, margin, margin)).flatten(1)

    def forward(self, x: Tensor, kernel: int, stride: int = 1, dilation: int = 1) -> Tensor:
        """Convolve every channel of ``x`` [n, c, h, w] by itself to [n, c, h', w']."""
        channels = x.shape[1]
        weight = self.kernel_weight(channels, kernel)
        padding = dilation * (kernel // 2)
        whole = channels == self.weight.shape[0] and kernel == self.kernels[0]
        layout = _layout(x) if x.is_cuda and not whole else None
        if layout is not None:
            # With the channels last cuDNN compiles kernels for every new shape, about a second
            # each. That pays for the whole layer and not for its many slices, for which torch has
            # a kernel of its own; it wants the channels first.
            x, weight = x.contiguous(), weight.contiguous()
        result = functional.conv2d(x, weight, None, stride, padding, dilation, groups=channels)
        return result if layout is None else result.contiguous(memory_format=layout)

    def active(self, channels: int, kernel: int) -> dict[str, Region]:
        """Return the crop of the weight, and the matrices, that a kernel is made of."""
        largest = self.kernels[0]
        if not self.transform:
            crop = centre(largest, kernel)
            return {"weight": (slice(0, channels), slice(0, 1), crop, crop)}
        steps = self._chains[kernel]
        crop = steps[0][1] if steps else slice(0, largest)
        regions: dict[str, Region] = {"weight": (slice(0, channels), slice(0, 1), crop, crop)}
        for name, _, outputs in steps:
            whole = slice(0, getattr(self, name).shape[-1])
            regions[name] = (outputs, outputs, whole, whole)
        return regions

    def weights(self, channels: int, kernel: int) -> dict[str, Tensor]:
        """Return the weight of the plain convolution, transforms applied."""
        return {"weight": self.kernel_weight(channels, kernel).detach()}


def _layout(x: Tensor) -> torch.memory_format:
    """Return the layout in memory of images [n, c, h, w]."""
    last = x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
    return torch.channels_last if last else torch.contiguous_format


def _chain(kernels: Sequence[int], kernel: int) -> list[tuple[str, slice, slice]]:
    """Return what makes a kernel of the largest: matrix, crop of its input, crop of its output.

    All but the last transform produce only what the next one crops from them, so that one's
    own crop of its input is whole.
    """
    chain = kernels[: kernels.index(kernel) + 1]
    steps = []
    for position, (larger, k) in enumerate(pairwise(chain)):
        inputs = centre(larger, k) if position == 0 else slice(0, k)
        last = position == len(chain) - 2
        outputs = slice(0, k) if last else centre(k, chain[position + 2])
        steps.append((_transform(larger, k), inputs, outputs))
    return steps


def _rows(transform: Tensor, outputs: slice) -> Tensor:
    """Return a transform's matrix [outputs^2, k^2] for a crop of its output."""
    return transform[outputs, outputs].flatten(2).flatten(0, 1)


def _transform(larger: int, smaller: int) -> str:
    """Return the name of the matrix that makes a smaller kernel of a larger one's crop."""
    return f"transform_{larger}_{smaller}"
