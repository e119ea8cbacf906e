"""Ghost module and bottleneck of GhostNet (Han et al. 2020, arXiv:1911.11907, section 3).

A ghost module makes half of its output channels by a convolution and the other half from
those, by a cheap depthwise convolution.
"""

from __future__ import annotations

from search_spaces.blocks.layers import INPUT, Layer, Shape, Tape
from search_spaces.blocks.spec import BlockSpec, block_family
from search_spaces.errors import SpaceError

__all__ = ["Ghost", "GhostBottleneck"]


@block_family
class Ghost(BlockSpec):
    """A ghost module of ratio 2: primary and cheap features side by side.

    Attributes:
        cin: Input channels.
        cout: Output channels; of an odd number the last cheap channel is computed and dropped.
        hw: Input height = width.
        kernel: Side of the primary convolution's kernel.
        cheap: Side of the depthwise kernel that makes the cheap channels.
        act: Activation after both convolutions, or None.
    """

    cin: int
    cout: int
    hw: int
    kernel: int = 1
    cheap: int = 3
    act: str | None = "relu"

    @property
    def in_shape(self) -> Shape:
        """Shape of the input, (C, H, W)."""
        return (self.cin, self.hw, self.hw)

    def layers(self) -> list[Layer]:
        """List the primitive layers."""
        tape = Tape(self.in_shape)
        _ghost(tape, INPUT, self.cout, kernel=self.kernel, cheap=self.cheap, act=self.act)
        return tape.layers


@block_family
class GhostBottleneck(BlockSpec):
    """Two ghost modules, with a depthwise convolution between them where the stride is 2.

    The shortcut is the input, or a depthwise and a 1x1 convolution where the shapes differ.

    Attributes:
        cin: Input channels.
        cout: Output channels.
        mid: Channels between the ghost modules; any integer.
        hw: Input height = width.
        kernel: Side of the depthwise kernels of stride and shortcut; 3 where there are none.
        stride: Spatial stride.
        se: Squeeze channels of squeeze-and-excitation after the first module; 0 for none.
        cheap: Side of the depthwise kernels inside the ghost modules.
    """

    cin: int
    cout: int
    mid: int
    hw: int
    kernel: int = 3
    stride: int = 1
    se: int = 0
    cheap: int = 3

    @property
    def in_shape(self) -> Shape:
        """Shape of the input, (C, H, W)."""
        return (self.cin, self.hw, self.hw)

    @property
    def projects(self) -> bool:
        """Whether the shortcut has convolutions."""
        return self.stride > 1 or self.cin != self.cout

    def layers(self) -> list[Layer]:
        """List the primitive layers.

        Raises:
            SpaceError: The kernel has no use; equal blocks must be equal values.
        """
        if not self.projects and self.kernel != 3:
            raise SpaceError(f"{self} keeps its shape and has no use for a kernel; leave it 3.")
        tape = Tape(self.in_shape)
        x = _ghost(tape, INPUT, self.mid, cheap=self.cheap, act="relu")
        if self.stride > 1:
            x = tape.depthwise_bn_act(x, kernel=self.kernel, stride=self.stride)
        if self.se:
            x = tape.squeeze_excite(x, self.se)
        x = _ghost(tape, x, self.cout, cheap=self.cheap)
        shortcut = INPUT
        if self.projects:
            shortcut = tape.depthwise_bn_act(INPUT, kernel=self.kernel, stride=self.stride)
            shortcut = tape.conv_bn_act(shortcut, self.cout)
        tape.add(x, shortcut)
        return tape.layers


def _ghost(
    tape: Tape, x: int, cout: int, *, kernel: int = 1, cheap: int, act: str | None = None
) -> int:
    """Record a ghost module and return its position."""
    primary = tape.conv_bn_act(x, (cout + 1) // 2, kernel=kernel, act=act)
    both = tape.concat(primary, tape.depthwise_bn_act(primary, kernel=cheap, act=act))
    return both if cout % 2 == 0 else tape.leading(both, cout)
