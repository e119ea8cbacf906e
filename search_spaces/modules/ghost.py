"""Ghost module and bottleneck in torch (Han et al. 2020, section 3).

Primary and cheap channels lie side by side; a narrower module uses the leading channels of
both, so that every cheap channel keeps the primary one it is made of.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from search_spaces.blocks import Ghost, GhostBottleneck
from search_spaces.modules.block import ElasticBlock, register_modules
from search_spaces.modules.conv import ElasticConvBN, ElasticDepthwiseBN, conv_bn, depthwise_bn
from search_spaces.modules.elastic import Elastic, Part
from search_spaces.modules.squeeze_excite import ElasticSqueezeExcite, SqueezeExcite

__all__ = ["ElasticGhost", "ElasticGhostBottleneck", "StaticGhost", "StaticGhostBottleneck"]


def _join(primary: Tensor, cheap: Tensor, cout: int) -> Tensor:
    """Return both side by side, without the last channel where the number is odd."""
    y = torch.cat([primary, cheap], dim=1)
    return y if y.shape[1] == cout else y[:, :cout]


class _GhostModule(nn.Module):
    """A plain ghost module of ratio 2."""

    def __init__(
        self, cin: int, cout: int, *, kernel: int = 1, cheap: int, act: str | None = None
    ) -> None:
        super().__init__()
        half = (cout + 1) // 2
        self.cout = cout
        self.primary = conv_bn(cin, half, kernel=kernel, act=act)
        self.cheap = depthwise_bn(half, kernel=cheap, act=act)

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, cin, h, w] to [n, cout, h, w]."""
        primary = self.primary(x)
        return _join(primary, self.cheap(primary), self.cout)


class _ElasticGhostModule(Elastic):
    """Elastic twin of `_GhostModule`."""

    def __init__(
        self,
        cin: int,
        cout: int,
        *,
        kernel: int = 1,
        cheap: Sequence[int],
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        half = (cout + 1) // 2
        self.primary = ElasticConvBN(cin, half, kernel=kernel, generator=generator)
        self.cheap = ElasticDepthwiseBN(half, kernels=cheap, generator=generator)

    def forward(
        self, x: Tensor, cout: int, *, kernel: int = 1, cheap: int, act: str | None = None
    ) -> Tensor:
        """Map [n, cin, h, w] to [n, cout, h, w]."""
        primary = self.primary(x, (cout + 1) // 2, act, kernel=kernel)
        return _join(primary, self.cheap(primary, cheap, act=act), cout)

    def parts(self, cin: int, cout: int, cheap: int, kernel: int = 1) -> Sequence[Part]:
        """Return both convolutions with their sizes."""
        half = (cout + 1) // 2
        return [
            ("primary", self.primary, (cin, half, kernel)),
            ("cheap", self.cheap, (half, cheap)),
        ]


class StaticGhost(nn.Module):
    """The plain module of a `Ghost`."""

    def __init__(self, spec: Ghost) -> None:
        super().__init__()
        self.ghost = _GhostModule(
            spec.cin, spec.cout, kernel=spec.kernel, cheap=spec.cheap, act=spec.act
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, cin, h, w] to [n, cout, h, w]."""
        y: Tensor = self.ghost(x)
        return y


class ElasticGhost(ElasticBlock):
    """Elastic twin of `StaticGhost`."""

    def __init__(self, blocks: Sequence[Ghost], generator: torch.Generator) -> None:
        super().__init__()
        self.ghost = _ElasticGhostModule(
            max(b.cin for b in blocks),
            max(b.cout for b in blocks),
            kernel=max(b.kernel for b in blocks),
            cheap=[b.cheap for b in blocks],
            generator=generator,
        )

    def forward(self, x: Tensor, spec: Ghost) -> Tensor:
        """Run one block on [n, cin, h, w]."""
        y: Tensor = self.ghost(x, spec.cout, kernel=spec.kernel, cheap=spec.cheap, act=spec.act)
        return y

    def parts(self, spec: Ghost) -> Sequence[Part]:
        """Return the ghost module with its sizes."""
        return [("ghost", self.ghost, (spec.cin, spec.cout, spec.cheap, spec.kernel))]


class StaticGhostBottleneck(nn.Module):
    """The plain module of a `GhostBottleneck`."""

    def __init__(self, spec: GhostBottleneck) -> None:
        super().__init__()
        self.expand = _GhostModule(spec.cin, spec.mid, cheap=spec.cheap, act="relu")
        self.depthwise: nn.Module | None = None
        if spec.stride > 1:
            self.depthwise = depthwise_bn(spec.mid, kernel=spec.kernel, stride=spec.stride)
        self.se: nn.Module | None = SqueezeExcite(spec.mid, spec.se) if spec.se else None
        self.project = _GhostModule(spec.mid, spec.cout, cheap=spec.cheap)
        self.skip: nn.Sequential | None = None
        if spec.projects:
            self.skip = nn.Sequential()
            layer = depthwise_bn(spec.cin, kernel=spec.kernel, stride=spec.stride)
            self.skip.add_module("depthwise", layer)
            self.skip.add_module("point", conv_bn(spec.cin, spec.cout))

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, cin, h, w] to [n, cout, h', w']."""
        y: Tensor = self.expand(x)
        if self.depthwise is not None:
            y = self.depthwise(y)
        if self.se is not None:
            y = self.se(y)
        y = self.project(y)
        return y + (x if self.skip is None else self.skip(x))


class _ElasticSkip(Elastic):
    """A depthwise and a 1x1 convolution, each with batch norm, in a shortcut."""

    def __init__(self, blocks: Sequence[GhostBottleneck], generator: torch.Generator) -> None:
        super().__init__()
        cin, cout = max(b.cin for b in blocks), max(b.cout for b in blocks)
        kernels = [b.kernel for b in blocks]
        self.depthwise = ElasticDepthwiseBN(cin, kernels=kernels, generator=generator)
        self.point = ElasticConvBN(cin, cout, generator=generator)

    def forward(self, x: Tensor, spec: GhostBottleneck) -> Tensor:
        """Map [n, cin, h, w] to [n, cout, h', w']."""
        y: Tensor = self.point(self.depthwise(x, spec.kernel, stride=spec.stride), spec.cout)
        return y

    def parts(self, spec: GhostBottleneck) -> Sequence[Part]:
        """Return both convolutions with their sizes."""
        return [
            ("depthwise", self.depthwise, (spec.cin, spec.kernel)),
            ("point", self.point, (spec.cin, spec.cout)),
        ]


class ElasticGhostBottleneck(ElasticBlock):
    """Elastic twin of `StaticGhostBottleneck`."""

    def __init__(self, blocks: Sequence[GhostBottleneck], generator: torch.Generator) -> None:
        super().__init__()
        cin, cout = max(b.cin for b in blocks), max(b.cout for b in blocks)
        mid, squeeze = max(b.mid for b in blocks), max(b.se for b in blocks)
        cheap = [b.cheap for b in blocks]
        self.expand = _ElasticGhostModule(cin, mid, cheap=cheap, generator=generator)
        self.depthwise: ElasticDepthwiseBN | None = None
        if kernels := [b.kernel for b in blocks if b.stride > 1]:
            self.depthwise = ElasticDepthwiseBN(mid, kernels=kernels, generator=generator)
        self.se: ElasticSqueezeExcite | None = None
        if squeeze:
            self.se = ElasticSqueezeExcite(mid, squeeze, generator=generator)
        self.project = _ElasticGhostModule(mid, cout, cheap=cheap, generator=generator)
        self.skip: _ElasticSkip | None = None
        if projecting := [b for b in blocks if b.projects]:
            self.skip = _ElasticSkip(projecting, generator)

    def forward(self, x: Tensor, spec: GhostBottleneck) -> Tensor:
        """Run one block on [n, cin, h, w]."""
        y: Tensor = self.expand(x, spec.mid, cheap=spec.cheap, act="relu")
        if self.depthwise is not None and spec.stride > 1:
            y = self.depthwise(y, spec.kernel, stride=spec.stride)
        if self.se is not None and spec.se:
            y = self.se(y, spec.se)
        y = self.project(y, spec.cout, cheap=spec.cheap)
        return y + (self.skip(x, spec) if self.skip is not None and spec.projects else x)

    def parts(self, spec: GhostBottleneck) -> Sequence[Part]:
        """Return the layers of one block with their sizes."""
        parts: list[Part] = [("expand", self.expand, (spec.cin, spec.mid, spec.cheap))]
        if self.depthwise is not None and spec.stride > 1:
            parts.append(("depthwise", self.depthwise, (spec.mid, spec.kernel)))
        if self.se is not None and spec.se:
            parts.append(("se", self.se, (spec.mid, spec.se)))
        parts.append(("project", self.project, (spec.mid, spec.cout, spec.cheap)))
        if self.skip is not None and spec.projects:
            parts.append(("skip", self.skip, (spec,)))
        return parts


register_modules(Ghost, plain=StaticGhost, elastic=ElasticGhost)
register_modules(GhostBottleneck, plain=StaticGhostBottleneck, elastic=ElasticGhostBottleneck)
