"""Blocks of a residual network that rectifies few of its elements, for private inference.

A comparison of secrets is dear, so publications rectify only what matters and leave the rest as
it is (SNL, Cho et al. 2022, arXiv:2202.02340) or put a trained polynomial in its place (AutoReP,
Peng et al. 2023, arXiv:2308.10134). A block says how many elements are rectified; which ones is a
mask that is stored with the weights and known to all parties, so that they are gathered for free.
"""

from __future__ import annotations

import math

from search_spaces.blocks.layers import INPUT, Layer, Shape, Tape, conv_hw
from search_spaces.blocks.spec import BlockSpec, block_family
from search_spaces.errors import SpaceError, nearest

__all__ = ["GRANULARITIES", "RESTS", "RectifiedConv", "RectifiedSum"]

RESTS = ("identity", "polynomial")
"""What happens to an element that is not rectified: nothing, or c2 x^2 + c1 x + c0 with
coefficients of its channel."""

GRANULARITIES = ("pixel", "channel")
"""What is kept or not as a whole: every element of a map, or every channel."""


@block_family
class RectifiedConv(BlockSpec):
    """A square convolution, batch norm, and a ReLU of some elements.

    Attributes:
        cin: Input channels.
        cout: Output channels.
        hw: Input height = width.
        kept: Elements of one image that are rectified.
        rest: What happens to the others, one of ``RESTS``.
        granularity: One of ``GRANULARITIES``; by channel, whole channels are kept.
        kernel: Side of the kernel; padding is kernel // 2.
        stride: Spatial stride.
    """

    cin: int
    cout: int
    hw: int
    kept: int
    rest: str = "identity"
    granularity: str = "pixel"
    kernel: int = 3
    stride: int = 1

    def layers(self) -> list[Layer]:
        """List convolution, batch norm, activation.

        Raises:
            SpaceError: More elements are kept than there are, or a name is unknown.
        """
        tape = Tape(self.in_shape)
        x = tape.conv_bn_act(INPUT, self.cout, kernel=self.kernel, stride=self.stride)
        _rectify(tape, x, self.kept, self.rest, self.granularity)
        return tape.layers


@block_family
class RectifiedSum(BlockSpec):
    """The second half of a basic residual block: convolution, sum, and a ReLU of some elements.

    The first input is what the first convolution made, the second what the whole block reads.
    A shortcut that must change shape is a 1x1 convolution and batch norm (He et al. 2016).

    Attributes:
        cin: Channels of the shortcut's input.
        cout: Channels of the first input, and of the output.
        hw: Height = width of the shortcut's input.
        kept: Elements of one image that are rectified.
        rest: What happens to the others, one of ``RESTS``.
        granularity: One of ``GRANULARITIES``; by channel, whole channels are kept.
        kernel: Side of the kernel; padding is kernel // 2.
        stride: Of the shortcut.
    """

    cin: int
    cout: int
    hw: int
    kept: int
    rest: str = "identity"
    granularity: str = "pixel"
    kernel: int = 3
    stride: int = 1

    @property
    def in_shape(self) -> Shape:
        """Shape of the first input, (C, H, W)."""
        side = conv_hw(self.hw, self.stride)
        return (self.cout, side, side)

    @property
    def in_shapes(self) -> tuple[Shape, ...]:
        """Shapes of both inputs."""
        return (self.in_shape, (self.cin, self.hw, self.hw))

    @property
    def project(self) -> bool:
        """Whether the shortcut has a convolution."""
        return self.stride > 1 or self.cin != self.cout

    def layers(self) -> list[Layer]:
        """List convolution, shortcut, sum, activation.

        Raises:
            SpaceError: More elements are kept than there are, or a name is unknown.
        """
        tape = Tape(*self.in_shapes)
        x = tape.conv_bn_act(INPUT, self.cout, kernel=self.kernel)
        shortcut = INPUT - 1
        if self.project:
            shortcut = tape.conv_bn_act(shortcut, self.cout, stride=self.stride)
        _rectify(tape, tape.add(x, shortcut), self.kept, self.rest, self.granularity)
        return tape.layers


def _rectify(tape: Tape, x: int, kept: int, rest: str, granularity: str) -> None:
    """Record the activation of some elements.

    Raises:
        SpaceError: See `RectifiedConv.layers`.
    """
    for name, value, known in (("rest", rest, RESTS), ("granularity", granularity, GRANULARITIES)):
        if value not in known:
            raise SpaceError(f"There is no {name} {value!r}. {nearest(value, known)}")
    _, *sides = tape.shape(x)
    elements = math.prod(tape.shape(x))
    whole = math.prod(sides) if granularity == "channel" else 1
    if not 0 <= kept <= elements or kept % whole:
        raise SpaceError(
            f"A map of shape {tape.shape(x)} can keep 0 to {elements} rectified elements in "
            f"steps of {whole}, got kept = {kept}."
        )
    if kept == elements:
        tape.act(x, "relu")
    elif kept:
        tape.partial_act("relu", rest, x, kept)
    elif rest == "polynomial":
        tape.polynomial(x)
