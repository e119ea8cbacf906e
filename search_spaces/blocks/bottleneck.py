"""Bottleneck residual blocks (He et al. 2016, arXiv:1512.03385) and the max pool before them."""

from __future__ import annotations

from search_spaces.blocks.layers import INPUT, Layer, Tape
from search_spaces.blocks.spec import BlockSpec, block_family

__all__ = ["Bottleneck", "MaxPool"]


@block_family
class Bottleneck(BlockSpec):
    """1x1, square and 1x1 convolutions, a shortcut, and an activation after the sum.

    The stride is that of the square convolution. A shortcut that must change shape is that of
    ResNet-D (He et al. 2019, arXiv:1812.01187): average pool by the stride, 1x1 convolution
    and batch norm.

    Attributes:
        cin: Input channels.
        cout: Output channels.
        mid: Channels of the square convolution; any integer.
        hw: Input height = width.
        kernel: Side of the square kernel.
        stride: Of the square convolution.
        act: Activation after both inner convolutions and after the sum.
        project: Whether the shortcut pools and has a convolution; it must where the stride is
            not 1 or cin != cout.
    """

    cin: int
    cout: int
    mid: int
    hw: int
    kernel: int = 3
    stride: int = 1
    act: str = "relu"
    project: bool = False

    def layers(self) -> list[Layer]:
        """List the primitive layers.

        Raises:
            SpaceError: The shortcut does not fit.
        """
        tape = Tape(self.in_shape)
        x = tape.conv_bn_act(INPUT, self.mid, act=self.act)
        x = tape.conv_bn_act(x, self.mid, kernel=self.kernel, stride=self.stride, act=self.act)
        x = tape.conv_bn_act(x, self.cout)
        shortcut = INPUT
        if self.project:
            if self.stride > 1:
                shortcut = tape.avg_pool(shortcut, self.stride)
            shortcut = tape.conv_bn_act(shortcut, self.cout)
        tape.act(tape.add(x, shortcut), self.act)
        return tape.layers


@block_family
class MaxPool(BlockSpec):
    """A max pool with padding kernel // 2.

    Attributes:
        cin: Channels.
        hw: Input height = width.
        kernel: Side of the window, odd.
        stride: Spatial stride.
    """

    cin: int
    hw: int
    kernel: int = 3
    stride: int = 2

    def layers(self) -> list[Layer]:
        """List the pool."""
        tape = Tape(self.in_shape)
        tape.max_pool(INPUT, kernel=self.kernel, stride=self.stride)
        return tape.layers
