"""The mean of what several networks say."""

from __future__ import annotations

from search_spaces.blocks.layers import INPUT, Layer, Shape, Tape
from search_spaces.blocks.spec import BlockSpec, block_family

__all__ = ["Average"]


@block_family
class Average(BlockSpec):
    """The element-wise mean of several inputs of one shape: an ensemble's output.

    Attributes:
        shape: Of every input, (C, H, W) or (features,).
        inputs: How many.
    """

    shape: tuple[int, ...]
    inputs: int = 2

    @property
    def in_shape(self) -> Shape:
        """Shape of every input."""
        return self.shape

    @property
    def in_shapes(self) -> tuple[Shape, ...]:
        """Shapes of all inputs."""
        return (self.shape,) * self.inputs

    def layers(self) -> list[Layer]:
        """List the mean."""
        tape = Tape(*self.in_shapes)
        tape.mean(*(INPUT - position for position in range(self.inputs)))
        return tape.layers
