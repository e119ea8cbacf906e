"""Pre-activation operations of cells that are cheaper than a square convolution.

Of NASNet (Zoph et al. 2018, arXiv:1707.07012, section 3 and appendix A) and DARTS (Liu et al.
2019, arXiv:1806.09055, section 3.1).
"""

from __future__ import annotations

from search_spaces.blocks.layers import INPUT, Layer, Shape, Tape
from search_spaces.blocks.spec import BlockSpec, block_family

__all__ = ["AsymmetricConv", "FactorizedReduce", "SeparableConv"]


@block_family
class SeparableConv(BlockSpec):
    """Activation, depthwise and 1x1 convolution, batch norm; all that once or several times.

    The first depthwise convolution has the stride, the first 1x1 convolution the new channels.

    Attributes:
        cin: Input channels.
        cout: Output channels.
        hw: Input height = width.
        kernel: Side of the depthwise kernels; padding keeps the size.
        stride: Spatial stride.
        dilation: Distance of the kernels' taps.
        repeats: How often.
        act: Activation of the input.
    """

    cin: int
    cout: int
    hw: int
    kernel: int = 3
    stride: int = 1
    dilation: int = 1
    repeats: int = 2
    act: str = "relu"

    @property
    def in_shape(self) -> Shape:
        """Shape of the input, (C, H, W)."""
        return (self.cin, self.hw, self.hw)

    def layers(self) -> list[Layer]:
        """List the repetitions."""
        tape = Tape(self.in_shape)
        x = INPUT
        for repeat in range(self.repeats):
            stride = self.stride if repeat == 0 else 1
            x = tape.depthwise(
                tape.act(x, self.act), kernel=self.kernel, stride=stride, dilation=self.dilation
            )
            x = tape.batch_norm(tape.conv(x, self.cout))
        return tape.layers


@block_family
class AsymmetricConv(BlockSpec):
    """Activation, a 1 x kernel and a kernel x 1 convolution, batch norm.

    Attributes:
        cin: Input channels.
        cout: Output channels.
        hw: Input height = width.
        kernel: Length of both; padding is kernel // 2 along it.
        stride: Of each along its kernel.
        act: Activation of the input.
    """

    cin: int
    cout: int
    hw: int
    kernel: int = 7
    stride: int = 1
    act: str = "relu"

    @property
    def in_shape(self) -> Shape:
        """Shape of the input, (C, H, W)."""
        return (self.cin, self.hw, self.hw)

    def layers(self) -> list[Layer]:
        """List activation, both convolutions, batch norm."""
        tape = Tape(self.in_shape)
        x = tape.act(INPUT, self.act)
        for axis in (2, 1):
            x = tape.conv(x, self.cout, kernel=self.kernel, stride=self.stride, axis=axis)
        tape.batch_norm(x)
        return tape.layers


@block_family
class FactorizedReduce(BlockSpec):
    """Half the resolution without losing pixels to the stride: two 1x1 convolutions of stride 2.

    The second one sees the activated input moved by a pixel up and to the left. Each makes half
    of the channels, the second the odd one; batch norm follows their concatenation.

    Attributes:
        cin: Input channels.
        cout: Output channels, at least two.
        hw: Input height = width.
        act: Activation of the input.
    """

    cin: int
    cout: int
    hw: int
    act: str = "relu"

    @property
    def in_shape(self) -> Shape:
        """Shape of the input, (C, H, W)."""
        return (self.cin, self.hw, self.hw)

    def layers(self) -> list[Layer]:
        """List activation, both convolutions, batch norm."""
        tape = Tape(self.in_shape)
        x = tape.act(INPUT, self.act)
        half = self.cout // 2
        first = tape.conv(x, half, stride=2)
        second = tape.conv(tape.shift(x), self.cout - half, stride=2)
        tape.batch_norm(tape.concat(first, second))
        return tape.layers
