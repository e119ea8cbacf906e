"""FasterNet's block on a partial convolution (Chen et al. 2023, arXiv:2303.03667, section 3)."""

from __future__ import annotations

from search_spaces.blocks.layers import INPUT, Layer, Shape, Tape
from search_spaces.blocks.spec import BlockSpec, block_family

__all__ = ["PartialConvBlock"]


@block_family
class PartialConvBlock(BlockSpec):
    """A partial convolution (PConv), two 1x1 convolutions, and the input added.

    The partial convolution mixes the first channels in space and passes the others; of a
    quarter of the channels it has a sixteenth of a full convolution's multiply-accumulates.

    Attributes:
        cin: Input and output channels.
        mid: Channels between the 1x1 convolutions.
        hw: Input height = width.
        part: Channels that are convolved; below cin.
        kernel: Side of the partial convolution's kernel.
        act: Activation between the 1x1 convolutions.
    """

    cin: int
    mid: int
    hw: int
    part: int
    kernel: int = 3
    act: str = "relu"

    @property
    def in_shape(self) -> Shape:
        """Shape of the input, (C, H, W)."""
        return (self.cin, self.hw, self.hw)

    def layers(self) -> list[Layer]:
        """List the primitive layers.

        Raises:
            SpaceError: No channels are convolved, or none pass.
        """
        tape = Tape(self.in_shape)
        mixed = tape.conv(tape.leading(INPUT, self.part), self.part, kernel=self.kernel)
        x = tape.concat(mixed, tape.trailing(INPUT, self.cin - self.part))
        x = tape.conv(tape.conv_bn_act(x, self.mid, act=self.act), self.cin)
        tape.add(x, INPUT)
        return tape.layers
