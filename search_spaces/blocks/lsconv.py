"""LS convolution of LSNet (Wang et al. 2025, arXiv:2503.23135, section 3): see large, focus small.

A large depthwise kernel perceives the surroundings of a pixel and predicts small kernels for
it, with which its neighbours are aggregated.
"""

from __future__ import annotations

from search_spaces.blocks.layers import INPUT, Layer, Shape, Tape
from search_spaces.blocks.spec import BlockSpec, block_family

__all__ = ["LSConv"]


@block_family
class LSConv(BlockSpec):
    """Large-kernel perception, small-kernel aggregation, batch norm, and the input added.

    Channel c is aggregated with predicted kernel c modulo ``kernels``. The aggregation, one
    product for each channel and place in the small kernel, has no multiply-accumulates here:
    the published counts leave it out.

    Attributes:
        cin: Input and output channels.
        mid: Channels of the perception; published: half of cin.
        hw: Input height = width.
        kernels: Small kernels predicted for every pixel; published: one for eight channels.
        kernel: Side of the perceiving depthwise kernel.
        small: Side of the predicted kernels.
    """

    cin: int
    mid: int
    hw: int
    kernels: int
    kernel: int = 7
    small: int = 3

    @property
    def in_shape(self) -> Shape:
        """Shape of the input, (C, H, W)."""
        return (self.cin, self.hw, self.hw)

    def layers(self) -> list[Layer]:
        """List the primitive layers."""
        tape = _PerceptionTape(self.in_shape)
        x = tape.conv_bn_act(INPUT, self.mid, act="relu")
        x = tape.depthwise_bn_act(x, kernel=self.kernel)
        x = tape.conv_bn_act(x, self.mid, act="relu")
        predicted = tape.conv(x, self.small**2 * self.kernels, bias=True)
        predicted = tape.group_norm(predicted, self.kernels)
        x = tape.aggregate(INPUT, predicted, self.small)
        tape.add(tape.batch_norm(x), INPUT)
        return tape.layers


class _PerceptionTape(Tape):
    """Adds the layers that only this block has."""

    def group_norm(self, x: int, groups: int) -> int:
        """Record a group norm with a scale and a shift per channel."""
        shape = self.shape(x)
        params = 2 * shape[0]
        return self._record(
            Layer("group_norm", (x,), shape, shape, params=params, groups=groups, in_place=True)
        )

    def aggregate(self, x: int, kernels: int, side: int) -> int:
        """Record the sum over a window, weighted by a kernel of each pixel's own."""
        shape, groups = self.shape(x), self.shape(kernels)[0] // side**2
        return self._record(
            Layer("aggregate", (x, kernels), shape, shape, kernel=side, groups=groups)
        )
