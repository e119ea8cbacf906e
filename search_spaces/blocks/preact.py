"""Pre-activation blocks: the activation comes before the convolution (He et al. 2016).

The operations of cells: of NAS-Bench-201 (Dong and Yang 2020, arXiv:2001.00326, section 2.1);
separable ones are in `separable`.
"""

from __future__ import annotations

from search_spaces.blocks.layers import INPUT, Layer, Shape, Tape
from search_spaces.blocks.spec import BlockSpec, block_family

__all__ = ["NormAct", "PreActConv", "PreActResidual"]


def _conv(tape: Tape, x: int, cout: int, kernel: int, stride: int, act: str) -> int:
    return tape.batch_norm(tape.conv(tape.act(x, act), cout, kernel=kernel, stride=stride))


@block_family
class PreActConv(BlockSpec):
    """Activation, a square convolution and batch norm.

    Attributes:
        cin: Input channels.
        cout: Output channels.
        hw: Input height = width.
        kernel: Side of the kernel; padding is kernel // 2.
        stride: Spatial stride.
        act: Activation of the input.
        dilation: Distance of the kernel's taps; the padding grows with it.
    """

    cin: int
    cout: int
    hw: int
    kernel: int = 3
    stride: int = 1
    act: str = "relu"
    dilation: int = 1

    @property
    def in_shape(self) -> Shape:
        """Shape of the input, (C, H, W)."""
        return (self.cin, self.hw, self.hw)

    def layers(self) -> list[Layer]:
        """List activation, convolution, batch norm."""
        tape = Tape(self.in_shape)
        x = tape.act(INPUT, self.act)
        x = tape.conv(x, self.cout, kernel=self.kernel, stride=self.stride, dilation=self.dilation)
        tape.batch_norm(x)
        return tape.layers


@block_family
class PreActResidual(BlockSpec):
    """Two pre-activation convolutions and a shortcut that pools and projects.

    The shortcut is an average pool over stride x stride windows and a 1x1 convolution without
    batch norm; nothing follows the sum.

    Attributes:
        cin: Input channels.
        cout: Output channels.
        hw: Input height = width.
        kernel: Side of both kernels.
        stride: Of the first convolution.
        act: Activation.
    """

    cin: int
    cout: int
    hw: int
    kernel: int = 3
    stride: int = 2
    act: str = "relu"

    @property
    def in_shape(self) -> Shape:
        """Shape of the input, (C, H, W)."""
        return (self.cin, self.hw, self.hw)

    def layers(self) -> list[Layer]:
        """List the main branch, the shortcut and their sum."""
        tape = Tape(self.in_shape)
        x = _conv(tape, INPUT, self.cout, self.kernel, self.stride, self.act)
        x = _conv(tape, x, self.cout, self.kernel, 1, self.act)
        shortcut = INPUT if self.stride == 1 else tape.avg_pool(INPUT, self.stride)
        tape.add(x, tape.conv(shortcut, self.cout))
        return tape.layers


@block_family
class NormAct(BlockSpec):
    """Batch norm and activation, what ends a chain of pre-activation blocks.

    Attributes:
        cin: Channels.
        hw: Height = width.
        act: Activation.
    """

    cin: int
    hw: int
    act: str = "relu"

    @property
    def in_shape(self) -> Shape:
        """Shape of the input, (C, H, W)."""
        return (self.cin, self.hw, self.hw)

    def layers(self) -> list[Layer]:
        """List batch norm and activation."""
        tape = Tape(self.in_shape)
        tape.act(tape.batch_norm(INPUT), self.act)
        return tape.layers
