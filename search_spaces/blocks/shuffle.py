"""ShuffleNetV2 units as Single Path One-Shot searches them (Guo et al. 2020, section 4).

At stride 1 the input is split into its even and odd channels; one half passes unchanged and
the main branch makes the remaining output channels. At stride 2 both branches see the whole
input. Of an odd number of channels the passing half has one more.
"""

from __future__ import annotations

from search_spaces.blocks.layers import INPUT, Layer, Tape
from search_spaces.blocks.spec import BlockSpec, block_family

__all__ = ["ShuffleV2", "ShuffleXception"]


@block_family
class ShuffleV2(BlockSpec):
    """ShuffleNetV2 unit: 1x1, depthwise, 1x1 in the main branch.

    Attributes:
        cin: Channels of the block's input.
        cout: Channels of its output.
        mid: Inner channels of the main branch.
        hw: Input height = width.
        kernel: Side of the depthwise kernels.
        stride: 1 (split) or 2 (projected shortcut branch).
    """

    cin: int
    cout: int
    mid: int
    hw: int
    kernel: int = 3
    stride: int = 1

    def layers(self) -> list[Layer]:
        """List the primitive layers."""
        tape = Tape(self.in_shape)
        side, x = _side_branch(tape, self.kernel, self.stride)
        made = self.cout - tape.shape(side)[0]
        x = tape.conv_bn_act(x, self.mid, act="relu")
        x = tape.depthwise_bn_act(x, kernel=self.kernel, stride=self.stride)
        x = tape.conv_bn_act(x, made, act="relu")
        tape.concat(side, x)
        return tape.layers


@block_family
class ShuffleXception(BlockSpec):
    """ShuffleNetV2 unit whose main branch has three depthwise 3x3 and pointwise pairs.

    Attributes:
        cin: Channels of the block's input.
        cout: Channels of its output.
        mid: Inner channels of the main branch.
        hw: Input height = width.
        stride: 1 (split) or 2 (projected shortcut branch).
    """

    cin: int
    cout: int
    mid: int
    hw: int
    stride: int = 1

    def layers(self) -> list[Layer]:
        """List the primitive layers."""
        tape = Tape(self.in_shape)
        side, x = _side_branch(tape, 3, self.stride)
        made = self.cout - tape.shape(side)[0]
        for width, stride in ((self.mid, self.stride), (self.mid, 1), (made, 1)):
            x = tape.depthwise_bn_act(x, kernel=3, stride=stride)
            x = tape.conv_bn_act(x, width, act="relu")
        tape.concat(side, x)
        return tape.layers


def _side_branch(tape: Tape, kernel: int, stride: int) -> tuple[int, int]:
    """Record the shortcut branch; return its position and the main branch's input."""
    if stride == 1:
        return tape.split(INPUT)
    side = tape.depthwise_bn_act(INPUT, kernel=kernel, stride=stride)
    return tape.conv_bn_act(side, tape.shape(INPUT)[0], act="relu"), INPUT
