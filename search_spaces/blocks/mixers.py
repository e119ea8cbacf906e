"""Mixers of pixels and of channels that shapes pass unchanged, as LSNet alternates them.

Wang et al. 2025 (arXiv:2503.23135, section 3.3); the depthwise pair is that of RepViT (Wang et
al. 2024, arXiv:2307.09283), here in its training form.
"""

from __future__ import annotations

from search_spaces.blocks.layers import INPUT, Layer, Shape, Tape
from search_spaces.blocks.spec import BlockSpec, block_family

__all__ = ["ChannelMixer", "DepthwiseMixer"]


@block_family
class DepthwiseMixer(BlockSpec):
    """A square and a 1x1 depthwise convolution and the input, added, and squeeze-and-excitation.

    Attributes:
        cin: Input and output channels.
        hw: Input height = width.
        kernel: Side of the square kernel.
        se: Squeeze channels of squeeze-and-excitation; 0 for none.
    """

    cin: int
    hw: int
    kernel: int = 3
    se: int = 0

    @property
    def in_shape(self) -> Shape:
        """Shape of the input, (C, H, W)."""
        return (self.cin, self.hw, self.hw)

    def layers(self) -> list[Layer]:
        """List the primitive layers."""
        tape = Tape(self.in_shape)
        x = tape.depthwise_bn_act(INPUT, kernel=self.kernel)
        x = tape.add(tape.add(x, tape.depthwise_bn_act(INPUT, kernel=1)), INPUT)
        if self.se:
            tape.squeeze_excite(x, self.se, gate="sigmoid")
        return tape.layers


@block_family
class ChannelMixer(BlockSpec):
    """Two 1x1 convolutions with batch norm, and the input added.

    Attributes:
        cin: Input and output channels.
        mid: Channels between the convolutions.
        hw: Input height = width.
        act: Activation between them.
    """

    cin: int
    mid: int
    hw: int
    act: str = "relu"

    @property
    def in_shape(self) -> Shape:
        """Shape of the input, (C, H, W)."""
        return (self.cin, self.hw, self.hw)

    def layers(self) -> list[Layer]:
        """List the primitive layers."""
        tape = Tape(self.in_shape)
        x = tape.conv_bn_act(tape.conv_bn_act(INPUT, self.mid, act=self.act), self.cin)
        tape.add(x, INPUT)
        return tape.layers
