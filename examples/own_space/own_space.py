"""A search space over a block of one's own, in one file: copy it and change it.

The block has two parallel convolutions, 3x3 or 5x5 and 1x1, whose sum is activated, as in
RepVGG's training form (Ding et al. 2021, arXiv:2101.03697, section 3.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from search_spaces import SearchSpace, SpaceBuilder, register_space
from search_spaces.blocks import (
    INPUT,
    BlockSpec,
    Conv,
    Head,
    Layer,
    Shape,
    Tape,
    block_family,
    conv_hw,
)
from search_spaces.modules import ElasticBlock, register_modules
from search_spaces.modules.conv import ElasticConvBN, conv_bn
from search_spaces.modules.elastic import Part


@block_family
class TwoBranches(BlockSpec):
    """What the block is, with every number resolved; costs read its layers.

    Attributes:
        cin: Input channels.
        cout: Output channels.
        hw: Input height = width.
        kernel: Side of the larger kernel.
        stride: Of both convolutions.
    """

    cin: int
    cout: int
    hw: int
    kernel: int = 3
    stride: int = 1

    @property
    def in_shape(self) -> Shape:
        """Shape of the input, (C, H, W)."""
        return (self.cin, self.hw, self.hw)

    def layers(self) -> list[Layer]:
        """List the primitive layers."""
        tape = Tape(self.in_shape)
        large = tape.conv_bn_act(INPUT, self.cout, kernel=self.kernel, stride=self.stride)
        small = tape.conv_bn_act(INPUT, self.cout, stride=self.stride)
        tape.act(tape.add(large, small), "relu")
        return tape.layers


class StaticTwoBranches(nn.Module):
    """The plain module of one block."""

    def __init__(self, spec: TwoBranches) -> None:
        super().__init__()
        self.large = conv_bn(spec.cin, spec.cout, kernel=spec.kernel, stride=spec.stride)
        self.small = conv_bn(spec.cin, spec.cout, stride=spec.stride)

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, cin, h, w] to [n, cout, h', w']."""
        return torch.relu(self.large(x) + self.small(x))


class ElasticTwoBranches(ElasticBlock):
    """Its twin in a supernet: the weights of all blocks of one slot; the block is an argument."""

    def __init__(self, blocks: Sequence[TwoBranches], generator: torch.Generator) -> None:
        super().__init__()
        cin, cout = max(block.cin for block in blocks), max(block.cout for block in blocks)
        kernel = max(block.kernel for block in blocks)
        self.large = ElasticConvBN(cin, cout, kernel=kernel, generator=generator)
        self.small = ElasticConvBN(cin, cout, generator=generator)

    def forward(self, x: Tensor, spec: TwoBranches) -> Tensor:
        """Run one block on [n, cin, h, w]."""
        large = self.large(x, spec.cout, kernel=spec.kernel, stride=spec.stride)
        return torch.relu(large + self.small(x, spec.cout, stride=spec.stride))

    def parts(self, spec: TwoBranches) -> Sequence[Part]:
        """Return what has weights, by its name in the plain module, with its sizes."""
        return [
            ("large", self.large, (spec.cin, spec.cout, spec.kernel)),
            ("small", self.small, (spec.cin, spec.cout)),
        ]


register_modules(TwoBranches, plain=StaticTwoBranches, elastic=ElasticTwoBranches)


def _deeper(hw: int, block: int, depth: int, width: int, kernel: int) -> TwoBranches | None:
    """Return a block after the first one of its stage; None where the stage is shallower."""
    return TwoBranches(width, width, hw, kernel) if block < depth else None


@register_space("own_space")
def own_space(classes: int = 10, resolution: int = 32) -> SearchSpace:
    """Two stages of two-branch blocks with elastic depth, width and kernel."""
    builder = SpaceBuilder("own_space")
    builder.slot("stem", block=lambda: Conv(3, 16, resolution, kernel=3))
    before, hw = builder.choice("width_0", (16,)), resolution
    for stage, options in ((1, (16, 24, 32)), (2, (32, 48, 64))):
        depth = builder.choice(f"depth_{stage}", (1, 2))
        width = builder.choice(f"width_{stage}", options)
        kernels = [builder.choice(f"kernel_{stage}_{b}", (3, 5)) for b in range(2)]
        builder.slot(
            f"stage{stage}.0",
            reads=(before, width, kernels[0]),
            block=lambda cin, cout, kernel, hw=hw: TwoBranches(cin, cout, hw, kernel, stride=2),
        )
        hw = conv_hw(hw, 2)
        builder.slot(
            f"stage{stage}.1",
            reads=(depth, width, kernels[1]),
            block=partial(_deeper, hw, 1),
        )
        before = width
    builder.slot("head", reads=(before,), block=lambda cin: Head(cin, classes, hw))
    return builder.build()
