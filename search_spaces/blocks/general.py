"""Blocks as general as torch's own layers: what a network that was not written for us consists of.

Nothing is implied: padding, dilation, biases, the constant of batch norm and oblong maps are
fields. Channels that come out of a concatenation are told piece by piece, because each piece
shrinks by itself: a small network uses the leading channels of every piece.

``hw`` is (height, width), or empty for vectors of features.
"""

from __future__ import annotations

import math

from search_spaces.blocks.layers import INPUT, Layer, Shape, Tape
from search_spaces.blocks.spec import BlockSpec, block_family
from search_spaces.blocks.window import Window
from search_spaces.errors import SpaceError

__all__ = [
    "GeneralConcat",
    "GeneralConv",
    "GeneralLinear",
    "GeneralPool",
    "Join",
    "Pointwise",
    "Reshape",
]


@block_family
class GeneralConv(BlockSpec):
    """A convolution, and where wanted batch norm and activation.

    Attributes:
        cin: Channels of every piece of the input.
        cout: Output channels.
        hw: Height and width of the input.
        kernel: Height and width of the kernel.
        stride: Vertical and horizontal.
        padding: Zeros above and below, left and right.
        dilation: Vertical and horizontal.
        groups: Of a grouped convolution that is not depthwise.
        depthwise: Whether every input channel is convolved by itself, into cout / sum(cin) of
            the output's.
        bias: Of the convolution.
        norm: Whether batch norm follows.
        eps: Its constant.
        act: Activation after it, or None.
    """

    cin: tuple[int, ...]
    cout: int
    hw: tuple[int, ...]
    kernel: tuple[int, ...] = (1, 1)
    stride: tuple[int, ...] = (1, 1)
    padding: tuple[int, ...] = (0, 0)
    dilation: tuple[int, ...] = (1, 1)
    groups: int = 1
    depthwise: bool = False
    bias: bool = False
    norm: bool = True
    eps: float = 1e-5
    act: str | None = None

    @property
    def in_shape(self) -> Shape:
        """Shape of the input, (C, H, W)."""
        return (sum(self.cin), *self.hw)

    @property
    def made(self) -> Shape:
        """Channels of every piece of the output."""
        if not self.depthwise:
            return (self.cout,)
        return tuple(channels * self.cout // sum(self.cin) for channels in self.cin)

    @property
    def read(self) -> Shape:
        """Channels of every piece of the input that one filter reads."""
        if self.depthwise:
            return (1,)
        return self.cin if self.groups == 1 else (sum(self.cin) // self.groups,)

    def layers(self) -> list[Layer]:
        """List convolution, batch norm, activation."""
        tape = Tape(self.in_shape)
        window = Window(self.kernel, self.stride, self.padding, self.dilation)
        groups = sum(self.cin) if self.depthwise else self.groups
        x = tape.window_conv(INPUT, self.cout, window, groups=groups, bias=self.bias)
        tape.act(tape.batch_norm(x) if self.norm else x, self.act)
        return tape.layers


@block_family
class GeneralLinear(BlockSpec):
    """A linear layer on features, and where wanted batch norm and activation.

    Attributes:
        cin: Features of every piece of the input.
        cout: Output features.
        bias: Of the linear layer.
        norm: Whether batch norm follows.
        eps: Its constant.
        act: Activation after it, or None.
    """

    cin: tuple[int, ...]
    cout: int
    bias: bool = True
    norm: bool = False
    eps: float = 1e-5
    act: str | None = None

    @property
    def in_shape(self) -> Shape:
        """Shape of the input, (features,)."""
        return (sum(self.cin),)

    def layers(self) -> list[Layer]:
        """List linear layer, batch norm, activation."""
        tape = Tape(self.in_shape)
        x = tape.linear(INPUT, self.cout, bias=self.bias)
        tape.act(tape.batch_norm(x) if self.norm else x, self.act)
        return tape.layers


@block_family
class Pointwise(BlockSpec):
    """Batch norm, activation and dropout, each where wanted, on their own.

    Attributes:
        cin: Channels of every piece.
        hw: Height and width, or empty.
        norm: Whether there is batch norm.
        eps: Its constant.
        act: Activation, or None.
        dropout: Probability of dropping an element in training.
    """

    cin: tuple[int, ...]
    hw: tuple[int, ...]
    norm: bool = False
    eps: float = 1e-5
    act: str | None = None
    dropout: float = 0.0

    @property
    def in_shape(self) -> Shape:
        """Shape of the input, (C, H, W) or (features,)."""
        return (sum(self.cin), *self.hw)

    def layers(self) -> list[Layer]:
        """List batch norm and activation; dropout does nothing in an inference."""
        tape = Tape(self.in_shape)
        tape.act(tape.batch_norm(INPUT) if self.norm else INPUT, self.act)
        return tape.layers


@block_family
class GeneralPool(BlockSpec):
    """A max pool or an average pool over any window.

    Attributes:
        channels: Of the input.
        hw: Its height and width.
        kind: ``max`` or ``average``; an average over everything is ``global``.
        kernel: Height and width of the window; it and what follows is unused by ``global``.
        stride: Vertical and horizontal.
        padding: Above and below, left and right.
        dilation: Of a max pool.
        ceil: Whether a max pool's last window that is not whole counts.
        count_padding: Whether an average divides by the padding too.
    """

    channels: int
    hw: tuple[int, ...]
    kind: str
    kernel: tuple[int, ...] = (1, 1)
    stride: tuple[int, ...] = (1, 1)
    padding: tuple[int, ...] = (0, 0)
    dilation: tuple[int, ...] = (1, 1)
    ceil: bool = False
    count_padding: bool = False

    @property
    def in_shape(self) -> Shape:
        """Shape of the input, (C, H, W)."""
        return (self.channels, *self.hw)

    def layers(self) -> list[Layer]:
        """List the pool.

        Raises:
            SpaceError: There is no such kind.
        """
        tape = Tape(self.in_shape)
        ops = {"max": "max_pool", "average": "avg_pool"}
        if self.kind == "global":
            tape.global_pool(INPUT)
        elif self.kind in ops:
            geometry = (self.kernel, self.stride, self.padding, self.dilation)
            window = Window(*geometry, ceil=self.ceil, count_padding=self.count_padding)
            tape.window_pool(ops[self.kind], INPUT, window)
        else:
            raise SpaceError(f"A pool's kind is max, average or global, got {self.kind!r}.")
        return tape.layers


@block_family
class Join(BlockSpec):
    """Two inputs joined element by element, and where wanted an activation.

    Attributes:
        channels: Of both inputs.
        hw: Height and width of the first input, or empty.
        op: ``add``, ``sub`` or ``mul``.
        gate: Whether the second input has one element a channel, which a ``mul`` spreads out.
        act: Activation after it, or None.
    """

    channels: int
    hw: tuple[int, ...]
    op: str = "add"
    gate: bool = False
    act: str | None = None

    @property
    def in_shape(self) -> Shape:
        """Shape of the first input."""
        return (self.channels, *self.hw)

    @property
    def in_shapes(self) -> tuple[Shape, ...]:
        """Shapes of both inputs."""
        second = (self.channels, *(1 for _ in self.hw)) if self.gate else self.in_shape
        return (self.in_shape, second)

    def layers(self) -> list[Layer]:
        """List the operation and the activation.

        Raises:
            SpaceError: There is no such operation.
        """
        tape = Tape(*self.in_shapes)
        operations = {"add": tape.add, "sub": tape.sub, "mul": tape.mul}
        if self.op not in operations:
            raise SpaceError(f"A Join's op is one of {list(operations)}, got {self.op!r}.")
        tape.act(operations[self.op](INPUT, INPUT - 1), self.act)
        return tape.layers


@block_family
class GeneralConcat(BlockSpec):
    """Inputs one after another along the channels.

    Attributes:
        channels: Of every input.
        hw: Height and width of all of them, or empty.
    """

    channels: tuple[int, ...]
    hw: tuple[int, ...]

    @property
    def in_shape(self) -> Shape:
        """Shape of the first input."""
        return self.in_shapes[0]

    @property
    def in_shapes(self) -> tuple[Shape, ...]:
        """Shapes of all inputs."""
        return tuple((channels, *self.hw) for channels in self.channels)

    def layers(self) -> list[Layer]:
        """List the concatenation."""
        tape = Tape(*self.in_shapes)
        tape.concat(*(INPUT - position for position in range(len(self.channels))))
        return tape.layers


@block_family
class Reshape(BlockSpec):
    """A map as a vector of features, or features as a map of one pixel.

    Attributes:
        channels: Of the input.
        hw: Height and width of the input, or empty.
        to_map: Whether the output is a map.
    """

    channels: int
    hw: tuple[int, ...]
    to_map: bool = False

    @property
    def in_shape(self) -> Shape:
        """Shape of the input, (C, H, W) or (features,)."""
        return (self.channels, *self.hw)

    def layers(self) -> list[Layer]:
        """List the view."""
        tape = Tape(self.in_shape)
        features = math.prod(self.in_shape)
        tape.reshape(INPUT, (features, 1, 1) if self.to_map else (features,))
        return tape.layers
