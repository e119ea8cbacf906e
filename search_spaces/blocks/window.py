"""Windows of convolutions and pools that need not be odd, square or padded by half."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Window"]


@dataclass(frozen=True, slots=True)
class Window:
    """How a convolution or pool moves over height and width; pairs are (height, width).

    Attributes:
        kernel: Sides of the kernel.
        stride: Steps.
        padding: Rows and columns added at either side.
        dilation: Distance of the kernel's elements.
        ceil: Whether a last window that is not whole counts (of a pool).
        count_padding: Whether an average pool divides by the padding too.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...] = (1, 1)
    padding: tuple[int, ...] = (0, 0)
    dilation: tuple[int, ...] = (1, 1)
    ceil: bool = False
    count_padding: bool = False

    def out_hw(self, hw: tuple[int, ...]) -> tuple[int, ...]:
        """Return height and width of the output, as torch computes them."""
        return tuple(self._side(axis, side) for axis, side in enumerate(hw))

    def _side(self, axis: int, side: int) -> int:
        stride, padding = self.stride[axis], self.padding[axis]
        room = side + 2 * padding - self.dilation[axis] * (self.kernel[axis] - 1) - 1
        if not self.ceil:
            return room // stride + 1
        made = -(-room // stride) + 1
        return made - 1 if (made - 1) * stride >= side + padding else made

    @property
    def is_usual(self) -> bool:
        """Whether it is that of an odd square kernel with padding kernel // 2."""
        kernel, stride = self.kernel[0], self.stride[0]
        return kernel % 2 == 1 and self == Window((kernel,) * 2, (stride,) * 2, (kernel // 2,) * 2)
