"""Parameter-free blocks of cells: pools, zeros, activations, and how inputs are joined.

The operations of NAS-Bench-201 (Dong and Yang 2020, arXiv:2001.00326, section 2.1), and what
wires the cells of NASNet (Zoph et al. 2018, arXiv:1707.07012): a choice among inputs, and their
concatenation.
"""

from __future__ import annotations

from search_spaces.blocks.layers import INPUT, Layer, Shape, Tape
from search_spaces.blocks.spec import BlockSpec, block_family
from search_spaces.errors import SpaceError

__all__ = ["Activation", "AvgPool", "Concat", "NodeSum", "Select", "Zero"]


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


@block_family
class Activation(BlockSpec):
    """An activation alone.

    Attributes:
        cin: Channels.
        hw: Height = width.
        act: Its name.
    """

    cin: int
    hw: int
    act: str = "relu"

    @property
    def in_shape(self) -> Shape:
        """Shape of the input, (C, H, W)."""
        return (self.cin, self.hw, self.hw)

    def layers(self) -> list[Layer]:
        """List the activation."""
        tape = Tape(self.in_shape)
        tape.act(INPUT, self.act)
        return tape.layers


@block_family
class Select(BlockSpec):
    """One of several inputs, passed on as it is: by this a choice decides what a slot reads.

    It has no layers, no module in torch, and costs nothing.

    Attributes:
        cin: Channels of every input.
        hw: Height = width of every input.
        source: Which input.
    """

    cin: tuple[int, ...]
    hw: tuple[int, ...]
    source: int

    @property
    def in_shape(self) -> Shape:
        """Shape of the first input, (C, H, W)."""
        return self.in_shapes[0]

    @property
    def in_shapes(self) -> tuple[Shape, ...]:
        """Shapes of all inputs."""
        return tuple((cin, hw, hw) for cin, hw in zip(self.cin, self.hw, strict=True))

    @property
    def passes(self) -> int:
        """Which of its inputs it passes on."""
        return self.source

    def layers(self) -> list[Layer]:
        """List nothing.

        Raises:
            SpaceError: There is no such input.
        """
        if not 0 <= self.source < len(self.in_shapes):
            raise SpaceError(
                f"A Select of {len(self.in_shapes)} inputs has no input {self.source}."
            )
        return []


@block_family
class Concat(BlockSpec):
    """Some of several inputs, concatenated along channels.

    Attributes:
        cin: Channels of each.
        hw: Height = width.
        sources: Which inputs, in the order of the channels of the output.
    """

    cin: int
    hw: int
    sources: tuple[int, ...]

    @property
    def in_shape(self) -> Shape:
        """Shape of every input that is read, (C, H, W)."""
        return (self.cin, self.hw, self.hw)

    @property
    def in_shapes(self) -> tuple[Shape, ...]:
        """Shapes of all inputs up to the last one that is read."""
        return (self.in_shape,) * (max(self.sources) + 1)

    def layers(self) -> list[Layer]:
        """List the concatenation."""
        tape = Tape(*self.in_shapes)
        tape.concat(*(INPUT - source for source in self.sources))
        return tape.layers
