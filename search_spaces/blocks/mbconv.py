"""MBConv: the inverted residual of MobileNetV2/V3 (Sandler et al. 2018, Howard et al. 2019)."""

from __future__ import annotations

from search_spaces.blocks.layers import INPUT, Layer, Shape, Tape
from search_spaces.blocks.spec import BlockSpec, block_family
from search_spaces.errors import SpaceError

__all__ = ["MBConv"]


@block_family
class MBConv(BlockSpec):
    """1x1 expansion, depthwise convolution, optional squeeze-excite, 1x1 projection.

    Attributes:
        cin: Input channels.
        cout: Output channels.
        mid: Channels of the depthwise convolution; any integer.
        hw: Input height = width.
        kernel: Side of the depthwise kernel.
        stride: Of the depthwise convolution.
        act: Activation after the expansion and the depthwise convolution.
        se: Squeeze channels of squeeze-and-excitation; 0 for none.
        shortcut: Whether the input is added to the output (stride 1 and cin == cout only).
        expand_conv: Whether the 1x1 expansion exists; without it mid == cin.
    """

    cin: int
    cout: int
    mid: int
    hw: int
    kernel: int = 3
    stride: int = 1
    act: str = "relu"
    se: int = 0
    shortcut: bool = False
    expand_conv: bool = True

    @property
    def in_shape(self) -> Shape:
        """Shape of the input, (C, H, W)."""
        return (self.cin, self.hw, self.hw)

    def layers(self) -> list[Layer]:
        """List the primitive layers.

        Raises:
            SpaceError: Without expansion mid differs from cin, or the shortcut does not fit.
        """
        if not self.expand_conv and self.mid != self.cin:
            raise SpaceError(f"{self} has no expansion, so mid must equal cin.")
        tape = Tape(self.in_shape)
        x = INPUT
        if self.expand_conv:
            x = tape.conv_bn_act(x, self.mid, act=self.act)
        x = tape.depthwise_bn_act(x, kernel=self.kernel, stride=self.stride, act=self.act)
        if self.se:
            x = tape.squeeze_excite(x, self.se)
        x = tape.conv_bn_act(x, self.cout)
        if self.shortcut:
            tape.add(x, INPUT)
        return tape.layers
