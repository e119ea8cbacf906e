"""Pre-activation blocks in torch (He et al. 2016), as in NAS-Bench-201 (Dong and Yang 2020)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from search_spaces.blocks import NormAct, PreActConv, PreActResidual
from search_spaces.modules.activations import activate, make_activation
from search_spaces.modules.block import ElasticBlock, register_modules
from search_spaces.modules.conv import ElasticConvBN, conv_bn
from search_spaces.modules.elastic import ElasticBatchNorm, ElasticConv2d, Part
from search_spaces.modules.layers import BatchNorm2d, Conv2d
from search_spaces.modules.pool import avg_pool

__all__ = [
    "ElasticNormAct",
    "ElasticPreActConv",
    "ElasticPreActResidual",
    "StaticPreActResidual",
    "static_norm_act",
    "static_preact_conv",
]


def static_preact_conv(spec: PreActConv) -> nn.Sequential:
    """Return the plain module of a `PreActConv`."""
    layers = conv_bn(
        spec.cin,
        spec.cout,
        kernel=spec.kernel,
        stride=spec.stride,
        dilation=spec.dilation,
    )
    act = make_activation(spec.act, inplace=False)  # the other edges of a cell read the input
    return nn.Sequential(OrderedDict([("act", act), *layers.named_children()]))


class ElasticPreActConv(ElasticBlock):
    """Elastic twin of `static_preact_conv`; a smaller kernel is the centre of the largest."""

    def __init__(self, blocks: Sequence[PreActConv], generator: torch.Generator) -> None:
        super().__init__()
        cout = max(b.cout for b in blocks)
        kernel = max(b.kernel for b in blocks)
        cin = max(b.cin for b in blocks)
        self.conv = ElasticConv2d(cin, cout, kernel=kernel, generator=generator)
        self.bn = ElasticBatchNorm(cout)

    def forward(self, x: Tensor, spec: PreActConv) -> Tensor:
        """Run one block on [n, cin, h, w]."""
        y = activate(x, spec.act, inplace=False)
        y = self.conv(y, spec.cout, spec.kernel, spec.stride, dilation=spec.dilation)
        normalised: Tensor = self.bn(y)
        return normalised

    def parts(self, spec: PreActConv) -> Sequence[Part]:
        """Return convolution and batch norm with their sizes."""
        return [
            ("conv", self.conv, (spec.cin, spec.cout, spec.kernel)),
            ("bn", self.bn, (spec.cout,)),
        ]


class StaticPreActResidual(nn.Module):
    """The plain module of a `PreActResidual`."""

    def __init__(self, spec: PreActResidual) -> None:
        super().__init__()
        self.spec = spec
        self.first = conv_bn(spec.cin, spec.cout, kernel=spec.kernel, stride=spec.stride)
        self.second = conv_bn(spec.cout, spec.cout, kernel=spec.kernel)
        self.skip = Conv2d(spec.cin, spec.cout, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, cin, h, w] to [n, cout, h', w']."""
        y = self.first(activate(x, self.spec.act, inplace=False))
        y = self.second(activate(y, self.spec.act))
        result: Tensor = y + self.skip(avg_pool(x, self.spec.stride))
        return result


class ElasticPreActResidual(ElasticBlock):
    """Elastic twin of `StaticPreActResidual`."""

    def __init__(self, blocks: Sequence[PreActResidual], generator: torch.Generator) -> None:
        super().__init__()
        cin, cout = max(b.cin for b in blocks), max(b.cout for b in blocks)
        kernel = max(b.kernel for b in blocks)
        self.first = ElasticConvBN(cin, cout, kernel=kernel, generator=generator)
        self.second = ElasticConvBN(cout, cout, kernel=kernel, generator=generator)
        self.skip = ElasticConv2d(cin, cout, generator=generator)

    def forward(self, x: Tensor, spec: PreActResidual) -> Tensor:
        """Run one block on [n, cin, h, w]."""
        y = activate(x, spec.act, inplace=False)
        y = self.first(y, spec.cout, kernel=spec.kernel, stride=spec.stride)
        y = self.second(activate(y, spec.act), spec.cout, kernel=spec.kernel)
        result: Tensor = y + self.skip(avg_pool(x, spec.stride), spec.cout)
        return result

    def parts(self, spec: PreActResidual) -> Sequence[Part]:
        """Return the convolutions with their sizes."""
        return [
            ("first", self.first, (spec.cin, spec.cout, spec.kernel)),
            ("second", self.second, (spec.cout, spec.cout, spec.kernel)),
            ("skip", self.skip, (spec.cin, spec.cout)),
        ]


def static_norm_act(spec: NormAct) -> nn.Sequential:
    """Return the plain module of a `NormAct`."""
    layers = [("bn", BatchNorm2d(spec.cin)), ("act", make_activation(spec.act))]
    return nn.Sequential(OrderedDict(layers))


class ElasticNormAct(ElasticBlock):
    """Elastic twin of `static_norm_act`."""

    def __init__(self, blocks: Sequence[NormAct], generator: torch.Generator) -> None:
        super().__init__()
        self.bn = ElasticBatchNorm(max(block.cin for block in blocks))

    def forward(self, x: Tensor, spec: NormAct) -> Tensor:
        """Run one block on [n, c, h, w]."""
        return activate(self.bn(x), spec.act)

    def parts(self, spec: NormAct) -> Sequence[Part]:
        """Return the batch norm with its size."""
        return [("bn", self.bn, (spec.cin,))]


register_modules(PreActConv, plain=static_preact_conv, elastic=ElasticPreActConv)
register_modules(PreActResidual, plain=StaticPreActResidual, elastic=ElasticPreActResidual)
register_modules(NormAct, plain=static_norm_act, elastic=ElasticNormAct)
