"""ShuffleNetV2 units of Single Path One-Shot in torch (Guo et al. 2020, section 4).

At stride 1 the even channels pass and the odd ones go through the main branch; at stride 2
both branches see the whole input. The output is [side, main] along channels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from search_spaces.blocks import ShuffleV2, ShuffleXception
from search_spaces.modules.block import ElasticBlock, register_modules
from search_spaces.modules.conv import ElasticConvBN, ElasticDepthwiseBN, conv_bn, depthwise_bn
from search_spaces.modules.elastic import Elastic, Part

__all__ = ["ElasticShuffle", "StaticShuffle"]


@dataclass(frozen=True, slots=True)
class _Step:
    """One convolution of a branch; a kernel of zero means pointwise, with a ReLU."""

    name: str
    cin: int
    cout: int
    kernel: int = 0
    stride: int = 1


def _depthwise(name: str, channels: int, kernel: int, stride: int = 1) -> _Step:
    return _Step(name, channels, channels, kernel, stride)


def _side_steps(spec: ShuffleV2 | ShuffleXception) -> list[_Step]:
    """Return the shortcut branch; nothing at stride 1."""
    if spec.stride == 1:
        return []
    kernel = spec.kernel if isinstance(spec, ShuffleV2) else 3
    return [
        _depthwise("depthwise", spec.cin, kernel, spec.stride),
        _Step("point", spec.cin, spec.cin),
    ]


def _main_steps(spec: ShuffleV2 | ShuffleXception) -> list[_Step]:
    """Return the main branch."""
    cin = spec.cin // 2 if spec.stride == 1 else spec.cin
    side = spec.cin - cin if spec.stride == 1 else spec.cin
    mid, made = spec.mid, spec.cout - side
    if isinstance(spec, ShuffleV2):
        return [
            _Step("expand", cin, mid),
            _depthwise("depthwise", mid, spec.kernel, spec.stride),
            _Step("project", mid, made),
        ]
    return [
        _depthwise("depthwise_1", cin, 3, spec.stride),
        _Step("point_1", cin, mid),
        _depthwise("depthwise_2", mid, 3),
        _Step("point_2", mid, mid),
        _depthwise("depthwise_3", mid, 3),
        _Step("point_3", mid, made),
    ]


def _split(x: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    """Return what the side and the main branch see."""
    return (x[:, 0::2], x[:, 1::2]) if stride == 1 else (x, x)


def _static_branch(steps: Iterable[_Step]) -> nn.Sequential:
    branch = nn.Sequential()
    for s in steps:
        branch.add_module(
            s.name,
            depthwise_bn(s.cin, kernel=s.kernel, stride=s.stride)
            if s.kernel
            else conv_bn(s.cin, s.cout, act="relu"),
        )
    return branch


class StaticShuffle(nn.Module):
    """The plain module of a `ShuffleV2` or `ShuffleXception`."""

    def __init__(self, spec: ShuffleV2 | ShuffleXception) -> None:
        super().__init__()
        self.stride = spec.stride
        self.side = _static_branch(_side_steps(spec))
        self.main = _static_branch(_main_steps(spec))

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, cin, h, w] to [n, cout, h', w']."""
        side, main = _split(x, self.stride)
        return torch.cat([self.side(side), self.main(main)], dim=1)


class _ElasticBranch(Elastic):
    """Elastic twin of a branch; its steps are an argument."""

    def __init__(self, branches: Iterable[Sequence[_Step]], generator: torch.Generator) -> None:
        super().__init__()
        by_name: dict[str, list[_Step]] = {}
        for steps in branches:
            for step in steps:
                by_name.setdefault(step.name, []).append(step)
        for name, steps in by_name.items():
            cin, cout = max(s.cin for s in steps), max(s.cout for s in steps)
            kernels = [s.kernel for s in steps if s.kernel]
            layer: Elastic
            if kernels:
                layer = ElasticDepthwiseBN(cin, kernels=kernels, generator=generator)
            else:
                layer = ElasticConvBN(cin, cout, generator=generator)
            self.add_module(name, layer)

    def forward(self, x: Tensor, steps: Sequence[_Step]) -> Tensor:
        """Run the steps in order."""
        for step in steps:
            layer = self.get_submodule(step.name)
            if step.kernel:
                x = layer(x, step.kernel, stride=step.stride)
            else:
                x = layer(x, step.cout, "relu")
        return x

    def parts(self, steps: Sequence[_Step]) -> Sequence[Part]:
        """Return the layers of the steps with their sizes."""
        parts: list[Part] = []
        for step in steps:
            layer = self.get_submodule(step.name)
            assert isinstance(layer, Elastic)
            parts.append((step.name, layer, (step.cin, step.kernel or step.cout)))
        return parts


class ElasticShuffle(ElasticBlock):
    """Elastic twin of `StaticShuffle`."""

    def __init__(
        self, blocks: Sequence[ShuffleV2 | ShuffleXception], generator: torch.Generator
    ) -> None:
        super().__init__()
        self.side = _ElasticBranch([_side_steps(block) for block in blocks], generator)
        self.main = _ElasticBranch([_main_steps(block) for block in blocks], generator)

    def forward(self, x: Tensor, spec: ShuffleV2 | ShuffleXception) -> Tensor:
        """Run one block on [n, cin, h, w]."""
        side, main = _split(x, spec.stride)
        side = self.side(side, _side_steps(spec))
        return torch.cat([side, self.main(main, _main_steps(spec))], dim=1)

    def parts(self, spec: ShuffleV2 | ShuffleXception) -> Sequence[Part]:
        """Return both branches with their steps."""
        return [
            ("side", self.side, (_side_steps(spec),)),
            ("main", self.main, (_main_steps(spec),)),
        ]


for _family in (ShuffleV2, ShuffleXception):
    register_modules(_family, plain=StaticShuffle, elastic=ElasticShuffle)
