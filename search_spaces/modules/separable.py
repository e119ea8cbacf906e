"""Separable, asymmetric and reducing operations of cells in torch (NASNet, DARTS)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from search_spaces.blocks import AsymmetricConv, FactorizedReduce, SeparableConv
from search_spaces.modules.activations import activate, make_activation
from search_spaces.modules.block import ElasticBlock, register_modules
from search_spaces.modules.depthwise import ElasticDepthwise
from search_spaces.modules.elastic import (
    Elastic,
    ElasticBatchNorm,
    ElasticConv2d,
    Part,
    Region,
    centre,
)
from search_spaces.modules.initialise import normal_fan_out_
from search_spaces.modules.layers import BatchNorm2d, Conv2d

__all__ = [
    "ElasticAsymmetricConv",
    "ElasticFactorizedReduce",
    "ElasticSeparableConv",
    "StaticFactorizedReduce",
    "StaticSeparableConv",
    "static_asymmetric_conv",
]


class StaticSeparableConv(nn.Module):
    """The plain module of a `SeparableConv`."""

    def __init__(self, spec: SeparableConv) -> None:
        super().__init__()
        self.repeats = nn.Sequential(*(_repeat(spec, i) for i in range(spec.repeats)))

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, cin, h, w] to [n, cout, h', w']."""
        result: Tensor = self.repeats(x)
        return result


def _repeat(spec: SeparableConv, position: int) -> nn.Sequential:
    """Return activation, depthwise and 1x1 convolution, batch norm."""
    cin, stride = (spec.cin, spec.stride) if position == 0 else (spec.cout, 1)
    padding = spec.dilation * (spec.kernel // 2)
    depthwise = Conv2d(
        cin, cin, spec.kernel, stride, padding, spec.dilation, groups=cin, bias=False
    )
    layers = [
        ("act", make_activation(spec.act, inplace=position > 0)),  # others read the input too
        ("depthwise", depthwise),
        ("conv", Conv2d(cin, spec.cout, 1, bias=False)),
        ("bn", BatchNorm2d(spec.cout)),
    ]
    return nn.Sequential(OrderedDict(layers))


class _ElasticRepeat(Elastic):
    """Elastic twin of `_repeat`; a smaller kernel is the centre of the largest."""

    def __init__(
        self, cin: int, cout: int, kernels: Sequence[int], generator: torch.Generator
    ) -> None:
        super().__init__()
        self.depthwise = ElasticDepthwise(
            cin, kernels=kernels, generator=generator, transform=False
        )
        self.conv = ElasticConv2d(cin, cout, generator=generator)
        self.bn = ElasticBatchNorm(cout)

    def forward(self, x: Tensor, spec: SeparableConv, stride: int) -> Tensor:
        """Map [n, cin, h, w], activated, to [n, cout, h', w']."""
        y = self.depthwise(x, spec.kernel, stride, spec.dilation)
        normalised: Tensor = self.bn(self.conv(y, spec.cout))
        return normalised

    def parts(self, cin: int, spec: SeparableConv) -> Sequence[Part]:
        """Return the convolutions and the batch norm with their sizes."""
        return [
            ("depthwise", self.depthwise, (cin, spec.kernel)),
            ("conv", self.conv, (cin, spec.cout)),
            ("bn", self.bn, (spec.cout,)),
        ]


class ElasticSeparableConv(ElasticBlock):
    """Elastic twin of `StaticSeparableConv`; fewer repeats are the first ones."""

    def __init__(self, blocks: Sequence[SeparableConv], generator: torch.Generator) -> None:
        super().__init__()
        cin, cout = max(b.cin for b in blocks), max(b.cout for b in blocks)
        kernels = [b.kernel for b in blocks]
        self.repeats = nn.ModuleList(
            _ElasticRepeat(cout if position else cin, cout, kernels, generator)
            for position in range(max(b.repeats for b in blocks))
        )

    def _used(self, spec: SeparableConv) -> list[_ElasticRepeat]:
        used = [self.repeats[position] for position in range(spec.repeats)]
        return [repeat for repeat in used if isinstance(repeat, _ElasticRepeat)]

    def forward(self, x: Tensor, spec: SeparableConv) -> Tensor:
        """Run one block on [n, cin, h, w]."""
        for position, repeat in enumerate(self._used(spec)):
            x = activate(x, spec.act, inplace=position > 0)
            x = repeat(x, spec, 1 if position else spec.stride)
        return x

    def parts(self, spec: SeparableConv) -> Sequence[Part]:
        """Return the repeats with their sizes."""
        return [
            (f"repeats.{position}", repeat, (spec.cout if position else spec.cin, spec))
            for position, repeat in enumerate(self._used(spec))
        ]


def static_asymmetric_conv(spec: AsymmetricConv) -> nn.Sequential:
    """Return the plain module of an `AsymmetricConv`."""
    k, s, padding = spec.kernel, spec.stride, spec.kernel // 2
    layers = [
        ("act", make_activation(spec.act, inplace=False)),
        ("across", Conv2d(spec.cin, spec.cout, (1, k), (1, s), (0, padding), bias=False)),
        ("down", Conv2d(spec.cout, spec.cout, (k, 1), (s, 1), (padding, 0), bias=False)),
        ("bn", BatchNorm2d(spec.cout)),
    ]
    return nn.Sequential(OrderedDict(layers))


class _ElasticAxisConv(Elastic):
    """A convolution along the width, or down the height; see `ElasticConv2d`."""

    def __init__(
        self, cin: int, cout: int, kernel: int, *, down: bool, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.down = down
        shape = (kernel, 1) if down else (1, kernel)
        self.weight = nn.Parameter(torch.empty(cout, cin, *shape))
        normal_fan_out_(self.weight, generator)

    def forward(self, x: Tensor, cout: int, kernel: int, stride: int) -> Tensor:
        """Convolve ``x`` [n, cin, h, w] to [n, cout, h', w']."""
        weight = self.weight[self._region(x.shape[1], cout, kernel)]
        along, padding = (1, stride), (0, kernel // 2)
        if self.down:
            along, padding = along[::-1], padding[::-1]
        return functional.conv2d(x, weight, None, along, padding)

    def _region(self, cin: int, cout: int, kernel: int) -> Region:
        crop, whole = centre(max(self.weight.shape[2:]), kernel), slice(0, 1)
        return (slice(0, cout), slice(0, cin), *((crop, whole) if self.down else (whole, crop)))

    def active(self, cin: int, cout: int, kernel: int) -> dict[str, Region]:
        """Return the region used from ``cin`` to ``cout`` channels."""
        return {"weight": self._region(cin, cout, kernel)}

    def weights(self, cin: int, cout: int, kernel: int) -> dict[str, Tensor]:
        """Return the weight of the plain convolution."""
        return {"weight": self.weight.detach()[self._region(cin, cout, kernel)]}


class ElasticAsymmetricConv(ElasticBlock):
    """Elastic twin of `static_asymmetric_conv`; a smaller kernel is the centre of the largest."""

    def __init__(self, blocks: Sequence[AsymmetricConv], generator: torch.Generator) -> None:
        super().__init__()
        cin, cout = max(b.cin for b in blocks), max(b.cout for b in blocks)
        kernel = max(b.kernel for b in blocks)
        self.across = _ElasticAxisConv(cin, cout, kernel, down=False, generator=generator)
        self.down = _ElasticAxisConv(cout, cout, kernel, down=True, generator=generator)
        self.bn = ElasticBatchNorm(cout)

    def forward(self, x: Tensor, spec: AsymmetricConv) -> Tensor:
        """Run one block on [n, cin, h, w]."""
        y = activate(x, spec.act, inplace=False)
        for conv in (self.across, self.down):
            y = conv(y, spec.cout, spec.kernel, spec.stride)
        normalised: Tensor = self.bn(y)
        return normalised

    def parts(self, spec: AsymmetricConv) -> Sequence[Part]:
        """Return the convolutions and the batch norm with their sizes."""
        return [
            ("across", self.across, (spec.cin, spec.cout, spec.kernel)),
            ("down", self.down, (spec.cout, spec.cout, spec.kernel)),
            ("bn", self.bn, (spec.cout,)),
        ]


def _shift(x: Tensor) -> Tensor:
    """Move an image [n, c, h, w] by a pixel up and to the left; zeros come in."""
    return functional.pad(x, (-1, 1, -1, 1))


class StaticFactorizedReduce(nn.Module):
    """The plain module of a `FactorizedReduce`."""

    def __init__(self, spec: FactorizedReduce) -> None:
        super().__init__()
        half = spec.cout // 2
        self.act = make_activation(spec.act, inplace=False)
        self.first = Conv2d(spec.cin, half, 1, 2, bias=False)
        self.second = Conv2d(spec.cin, spec.cout - half, 1, 2, bias=False)
        self.bn = BatchNorm2d(spec.cout)

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, cin, h, w] to [n, cout, h', w']."""
        x = self.act(x)
        result: Tensor = self.bn(torch.cat([self.first(x), self.second(_shift(x))], 1))
        return result


class ElasticFactorizedReduce(ElasticBlock):
    """Elastic twin of `StaticFactorizedReduce`."""

    def __init__(self, blocks: Sequence[FactorizedReduce], generator: torch.Generator) -> None:
        super().__init__()
        cin, cout = max(b.cin for b in blocks), max(b.cout for b in blocks)
        self.first = ElasticConv2d(cin, cout // 2, generator=generator)
        self.second = ElasticConv2d(cin, cout - cout // 2, generator=generator)
        self.bn = ElasticBatchNorm(cout)

    def forward(self, x: Tensor, spec: FactorizedReduce) -> Tensor:
        """Run one block on [n, cin, h, w]."""
        x, half = activate(x, spec.act, inplace=False), spec.cout // 2
        first = self.first(x, half, stride=2)
        second = self.second(_shift(x), spec.cout - half, stride=2)
        normalised: Tensor = self.bn(torch.cat([first, second], 1))
        return normalised

    def parts(self, spec: FactorizedReduce) -> Sequence[Part]:
        """Return the convolutions and the batch norm with their sizes."""
        half = spec.cout // 2
        return [
            ("first", self.first, (spec.cin, half)),
            ("second", self.second, (spec.cin, spec.cout - half)),
            ("bn", self.bn, (spec.cout,)),
        ]


register_modules(SeparableConv, plain=StaticSeparableConv, elastic=ElasticSeparableConv)
register_modules(AsymmetricConv, plain=static_asymmetric_conv, elastic=ElasticAsymmetricConv)
register_modules(FactorizedReduce, plain=StaticFactorizedReduce, elastic=ElasticFactorizedReduce)
