"""Parameter-free blocks of cells: pooling at full resolution, zero, and the sum at a node.

The operations of NAS-Bench-201 (Dong and Yang 2020, arXiv:2001.00326, section 2.1).
"""

from __future__ import annotations

from search_spaces.blocks.layers import INPUT, Layer, Shape, Tape
from search_spaces.blocks.spec import BlockSpec, block_family
from search_spaces.errors import SpaceError

__all__ = ["AvgPool", "NodeSum", "Zero"]


@block_family
class AvgPool(BlockSpec):
    """An average pool with padding kernel // 2 that leaves the padding out of the mean.

    Attributes:
        cin: Channels.
        hw: Input height = width.
        kernel: Side of the window, odd.
        stride: Spatial stride.
    """

    cin: int
    hw: int
    kernel: int = 3
    stride: int = 1

    @property
    def in_shape(self) -> Shape:
        """Shape of the input, (C, H, W)."""
        return (self.cin, self.hw, self.hw)

    def layers(self) -> list[Layer]:
        """List the pool."""
        tape = Tape(self.in_shape)
        tape.padded_avg_pool(INPUT, kernel=self.kernel, stride=self.stride)
        return tape.layers


@block_family
class Zero(BlockSpec):
    """The input times zero: an operation that passes nothing on.

    Attributes:
        cin: Channels.
        hw: Height = width.
    """

    cin: int
    hw: int

    @property
    def in_shape(self) -> Shape:
        """Shape of the input, (C, H, W)."""
        return (self.cin, self.hw, self.hw)

    def layers(self) -> list[Layer]:
        """List the product."""
        tape = Tape(self.in_shape)
        tape.zero(INPUT)
        return tape.layers


@block_family
class NodeSum(BlockSpec):
    """The element-wise sum of several inputs of one shape.

    Attributes:
        cin: Channels.
        hw: Height = width.
        inputs: How many, at least two.
    """

    cin: int
    hw: int
    inputs: int = 2

    @property
    def in_shape(self) -> Shape:
        """Shape of every input, (C, H, W)."""
        return (self.cin, self.hw, self.hw)

    @property
    def in_shapes(self) -> tuple[Shape, ...]:
        """Shapes of all inputs."""
        return (self.in_shape,) * self.inputs

    def layers(self) -> list[Layer]:
        """List the additions.

        Raises:
            SpaceError: There are fewer than two inputs.
        """
        if self.inputs < 2:
            raise SpaceError(f"A NodeSum needs at least two inputs, got {self.inputs}.")
        tape = Tape(*self.in_shapes)
        x = INPUT
        for position in range(1, self.inputs):
            x = tape.add(x, INPUT - position)
        return tape.layers
