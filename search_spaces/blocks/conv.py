"""Convolution followed by batch norm and activation."""

from __future__ import annotations

from dataclasses import field

from search_spaces.blocks.layers import INPUT, Layer, Shape, Tape
from search_spaces.blocks.spec import BlockSpec, block_family

__all__ = ["Conv"]


@block_family
class Conv(BlockSpec):
    """A square convolution, batch norm and activation.

    Attributes:
        cin: Input channels.
        cout: Output channels.
        hw: Input height = width.
        kernel: Side of the kernel; padding is kernel // 2 where there is any.
        stride: Spatial stride.
        act: Activation, or None.
        shortcut: Whether the input is added to the output (stride 1 and cin == cout only).
        padded: Whether the input is padded.
        bn_eps: What batch norm adds to the variance; no part of what the block costs.
    """

    cin: int
    cout: int
    hw: int
    kernel: int = 1
    stride: int = 1
    act: str | None = "relu"
    shortcut: bool = False
    padded: bool = True
    bn_eps: float = field(default=1e-5, compare=False)

    @property
    def in_shape(self) -> Shape:
        """Shape of the input, (C, H, W)."""
        return (self.cin, self.hw, self.hw)

    def layers(self) -> list[Layer]:
        """List convolution, batch norm, activation.

        Raises:
            SpaceError: The shortcut does not fit.
        """
        tape = Tape(self.in_shape)
        x = tape.conv(INPUT, self.cout, kernel=self.kernel, stride=self.stride, padded=self.padded)
        x = tape.act(tape.batch_norm(x), self.act)
        if self.shortcut:
            tape.add(x, INPUT)
        return tape.layers
