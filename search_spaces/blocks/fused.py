"""Fused MBConv: EfficientNetV2 (Tan, Le 2021, arXiv:2104.00298, section 3.2), MobileNetEdge."""

from __future__ import annotations

from search_spaces.blocks.layers import INPUT, Layer, Shape, Tape
from search_spaces.blocks.spec import BlockSpec, block_family

__all__ = ["FusedMBConv"]


@block_family
class FusedMBConv(BlockSpec):
    """One square convolution in place of MBConv's expansion and depthwise convolution.

    With an expansion of one EfficientNetV2 leaves the projection out: that block is a `Conv`
    with a shortcut.

    Attributes:
        cin: Input channels.
        cout: Output channels.
        mid: Channels of the square convolution; any integer.
        hw: Input height = width.
        kernel: Side of its kernel.
        stride: Of the square convolution.
        act: Activation after it.
        se: Squeeze channels of squeeze-and-excitation; 0 for none.
        shortcut: Whether the input is added to the output (stride 1 and cin == cout only).
        se_act: Activation between the two convolutions of squeeze-and-excitation.
        se_gate: Activation after them.
    """

    cin: int
    cout: int
    mid: int
    hw: int
    kernel: int = 3
    stride: int = 1
    act: str = "swish"
    se: int = 0
    shortcut: bool = False
    se_act: str = "swish"
    se_gate: str = "sigmoid"

    @property
    def in_shape(self) -> Shape:
        """Shape of the input, (C, H, W)."""
        return (self.cin, self.hw, self.hw)

    def layers(self) -> list[Layer]:
        """List the primitive layers.

        Raises:
            SpaceError: The shortcut does not fit.
        """
        tape = Tape(self.in_shape)
        x = tape.conv_bn_act(INPUT, self.mid, kernel=self.kernel, stride=self.stride, act=self.act)
        if self.se:
            x = tape.squeeze_excite(x, self.se, act=self.se_act, gate=self.se_gate)
        x = tape.conv_bn_act(x, self.cout)
        if self.shortcut:
            tape.add(x, INPUT)
        return tape.layers
