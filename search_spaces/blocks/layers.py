"""Primitive layers: what a block expands into, with every shape resolved.

A block lists its layers by a `Tape`, which keeps shapes, multiply-accumulates and parameters
as it goes. Costs read the list; no torch module is needed.

MACs are multiply-accumulates of convolution, linear and attention matmuls. Batch norm,
activation, bias and pooling count zero.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from search_spaces.blocks.window import Window
from search_spaces.errors import SpaceError

__all__ = [
    "INPUT",
    "VIEWS",
    "Layer",
    "Shape",
    "Tape",
    "conv_hw",
    "inputs_read",
]

Shape: TypeAlias = tuple[int, ...]

INPUT = -1
"""Position that stands for the block's input; ``INPUT - i`` is input i of a block of several."""

VIEWS = frozenset(
    {
        "channel_split",
        "first_token",
        "leading_channels",
        "map_tokens",
        "merge_map",
        "reshape",
        "split_heads",
        "split_map",
        "token_map",
        "trailing_channels",
        "transpose",
    }
)
"""In-place layers that read the memory of their input and overwrite nothing."""


def conv_hw(hw: int, stride: int) -> int:
    """Return the output height = width of an odd convolution with padding kernel // 2."""
    return (hw - 1) // stride + 1


def inputs_read(layers: Sequence[Layer]) -> list[int]:
    """Return which of a block's inputs its layers read, ascending from 0."""
    return sorted({INPUT - source for layer in layers for source in layer.inputs if source < 0})


@dataclass(frozen=True, slots=True)
class Layer:
    """One primitive operation inside a block.

    Attributes:
        op: conv2d, linear, batch_norm, an activation, polynomial, one of some elements and
            something else of the others (relu_or_identity, relu_or_polynomial, gelu_or_identity,
            quadratic_or_identity), global_avg_pool, avg_pool,
            padded_avg_pool, max_pool, add, sub, mul, mean, zero, shift, reshape, channel_split,
            leading_channels, trailing_channels, channel_shuffle or concat; on tokens, see
            `tokens.TokenTape`.
        inputs: Positions of the layers it reads; `INPUT` is the block's input, and
            ``INPUT - i`` input i of a block that has several.
        in_shape: (C, H, W), (features,) or (tokens, features) of the first input.
        out_shape: Of the output.
        macs: Multiply-accumulates for one image.
        params: Trainable parameters.
        kernel: Side of the kernel of a convolution or pool, the larger one.
        stride: Of a convolution or pool, the larger one.
        groups: Of a convolution; the number of channels for a depthwise one.
        bias: Whether a convolution or linear layer has one.
        in_place: Whether the output takes the memory of the first input: an element-wise
            layer that overwrites it, or a view.
        dilation: Distance of a convolution's taps.
        padded: Whether a convolution keeps the size at stride 1; else it has no padding.
        axis: Dimension of the shape, 1 or 2, along which alone a convolution has its kernel
            and stride; None for a square one.
        window: Of a convolution or max pool whose kernel is not an odd square with padding
            kernel // 2, and of an average pool that is neither ``avg_pool`` nor
            ``padded_avg_pool`` of the `Tape`.
        indices: What a selection takes, where a split begins, or the order of a join.
        kept: Elements that an activation of some elements acts on.
    """

    op: str
    inputs: tuple[int, ...]
    in_shape: Shape
    out_shape: Shape
    macs: int = 0
    params: int = 0
    kernel: int = 1
    stride: int = 1
    groups: int = 1
    bias: bool = False
    in_place: bool = False
    dilation: int = 1
    padded: bool = True
    axis: int | None = None
    window: Window | None = None
    indices: tuple[int, ...] = ()
    kept: int = 0


class Tape:
    """Records the layers of a block; every method returns the position of the new layer.

    Args:
        in_shapes: Shapes of the block's inputs.

    Raises:
        SpaceError: In every method, when the layer is impossible: no channels or pixels,
            groups that do not divide channels, shapes that cannot be added.
    """

    def __init__(self, *in_shapes: Shape) -> None:
        for shape in in_shapes:
            _check_shape("the input of a block", shape)
        self._in_shapes = in_shapes
        self.layers: list[Layer] = []

    def shape(self, position: int) -> Shape:
        """Return the output shape of a recorded layer, or of one of the block's inputs."""
        if position < 0:
            return self._in_shapes[INPUT - position]
        return self.layers[position].out_shape

    def _record(self, layer: Layer) -> int:
        _check_shape(layer.op, layer.out_shape)
        self.layers.append(layer)
        return len(self.layers) - 1

    def _same_shape(self, op: str, *inputs: int, params: int = 0) -> int:
        shape = self.shape(inputs[0])
        return self._record(Layer(op, inputs, shape, shape, params=params, in_place=True))

    def conv(
        self,
        x: int,
        cout: int,
        *,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        bias: bool = False,
        dilation: int = 1,
        padded: bool = True,
        axis: int | None = None,
    ) -> int:
        """Record a convolution, square or along one axis; see `Layer`.

        The kernel is odd; an even one has no padding, as in a patch embedding that tiles.
        """
        in_shape = self.shape(x)
        cin = in_shape[0]
        if kernel < 1 or stride < 1 or (kernel % 2 == 0 and padded):
            raise SpaceError(
                f"A convolution needs an odd kernel, or an even one without padding, and a "
                f"stride of at least 1, got kernel {kernel} and stride {stride}."
            )
        if groups < 1 or cin % groups or cout % groups:
            raise SpaceError(f"{groups} groups do not divide {cin} and {cout} channels.")
        lost = 0 if padded else dilation * (kernel - 1)
        out_h, out_w = (
            conv_hw(side - lost, stride) if axis in (None, dimension) else side
            for dimension, side in enumerate(in_shape[1:], start=1)
        )
        weights = cout * (cin // groups) * kernel ** (2 if axis is None else 1)
        return self._record(
            Layer(
                "conv2d",
                (x,),
                in_shape,
                (cout, out_h, out_w),
                macs=weights * out_h * out_w,
                params=weights + (cout if bias else 0),
                kernel=kernel,
                stride=stride,
                groups=groups,
                bias=bias,
                dilation=dilation,
                padded=padded,
                axis=axis,
            )
        )

    def window_conv(
        self, x: int, cout: int, window: Window, *, groups: int = 1, bias: bool = False
    ) -> int:
        """Record a convolution over any window; over the usual one it is that of `conv`."""
        if window.is_usual:
            kernel, stride = window.kernel[0], window.stride[0]
            return self.conv(x, cout, kernel=kernel, stride=stride, groups=groups, bias=bias)
        in_shape = self.shape(x)
        if groups < 1 or in_shape[0] % groups or cout % groups:
            raise SpaceError(f"{groups} groups do not divide {in_shape[0]} and {cout} channels.")
        out_hw = window.out_hw(in_shape[1:])
        weights = cout * (in_shape[0] // groups) * math.prod(window.kernel)
        return self._record(
            Layer(
                "conv2d",
                (x,),
                in_shape,
                (cout, *out_hw),
                macs=weights * math.prod(out_hw),
                params=weights + (cout if bias else 0),
                kernel=max(window.kernel),
                stride=max(window.stride),
                groups=groups,
                bias=bias,
                window=window,
            )
        )

    def depthwise(self, x: int, *, kernel: int, stride: int = 1, dilation: int = 1) -> int:
        """Record a depthwise convolution."""
        channels = self.shape(x)[0]
        return self.conv(
            x, channels, kernel=kernel, stride=stride, groups=channels, dilation=dilation
        )

    def linear(self, x: int, features: int, *, bias: bool = True) -> int:
        """Record a linear layer on the flattened input."""
        in_shape = self.shape(x)
        cin = math.prod(in_shape)
        params = cin * features + (features if bias else 0)
        return self._record(
            Layer("linear", (x,), in_shape, (features,), cin * features, params, bias=bias)
        )

    def batch_norm(self, x: int) -> int:
        """Record a batch norm with a scale and a shift per channel."""
        return self._same_shape("batch_norm", x, params=2 * self.shape(x)[0])

    def act(self, x: int, name: str | None) -> int:
        """Record an activation by name; None records nothing."""
        return x if name is None else self._same_shape(name, x)

    def polynomial(self, x: int) -> int:
        """Record c2 x^2 + c1 x + c0 with three trained coefficients for every channel."""
        return self._same_shape("polynomial", x, params=3 * self.shape(x)[0])

    def partial_act(self, act: str, rest: str, x: int, kept: int) -> int:
        """Record an activation of some elements, of the others ``identity`` or ``polynomial``."""
        shape = self.shape(x)
        params = 3 * shape[0] if rest == "polynomial" else 0
        op = f"{act}_or_{rest}"
        return self._record(Layer(op, (x,), shape, shape, params=params, in_place=True, kept=kept))

    def global_pool(self, x: int) -> int:
        """Record a global average pool to (C, 1, 1)."""
        shape = self.shape(x)
        return self._record(Layer("global_avg_pool", (x,), shape, (shape[0], 1, 1)))

    def avg_pool(self, x: int, stride: int) -> int:
        """Record an average pool over windows of stride x stride, cut off at the border."""
        return self._pool("avg_pool", x, stride, stride)

    def padded_avg_pool(self, x: int, *, kernel: int, stride: int = 1) -> int:
        """Record an average pool of an odd kernel; its padding kernel // 2 does not count."""
        return self._pool("padded_avg_pool", x, kernel, stride)

    def max_pool(self, x: int, *, kernel: int, stride: int) -> int:
        """Record a max pool of an odd kernel with padding kernel // 2."""
        return self._pool("max_pool", x, kernel, stride)

    def window_pool(self, op: str, x: int, window: Window) -> int:
        """Record a ``max_pool``, or an ``avg_pool`` without rules of its own, over a window."""
        in_shape = self.shape(x)
        out_shape = (in_shape[0], *window.out_hw(in_shape[1:]))
        kept = None if op == "max_pool" and window.is_usual else window
        kernel, stride = max(window.kernel), max(window.stride)
        return self._record(
            Layer(op, (x,), in_shape, out_shape, kernel=kernel, stride=stride, window=kept)
        )

    def _pool(self, op: str, x: int, kernel: int, stride: int) -> int:
        in_shape = self.shape(x)
        out_shape = (in_shape[0], *(conv_hw(side, stride) for side in in_shape[1:]))
        return self._record(Layer(op, (x,), in_shape, out_shape, kernel=kernel, stride=stride))

    def add(self, x: int, other: int) -> int:
        """Record an element-wise sum."""
        if self.shape(x) != self.shape(other):
            raise SpaceError(
                f"Shapes {self.shape(x)} and {self.shape(other)} cannot be added: a shortcut "
                "needs stride 1 and as many channels in as out."
            )
        return self._same_shape("add", x, other)

    def sub(self, x: int, other: int) -> int:
        """Record an element-wise difference of two inputs of one shape."""
        return self._same_shape("sub", x, other)

    def mean(self, *inputs: int) -> int:
        """Record the element-wise mean of inputs of one shape."""
        if len({self.shape(x) for x in inputs}) != 1:
            shapes = [self.shape(x) for x in inputs]
            raise SpaceError(f"A mean is of one or more inputs of one shape, got {shapes}.")
        return self._same_shape("mean", *inputs)

    def reshape(self, x: int, shape: Shape) -> int:
        """Record a view of the same elements in another shape."""
        return self._record(Layer("reshape", (x,), self.shape(x), shape, in_place=True))

    def zero(self, x: int) -> int:
        """Record a product with the number zero."""
        return self._same_shape("zero", x)

    def shift(self, x: int) -> int:
        """Record a shift by one pixel up and to the left; zeros come in."""
        return self._record(Layer("shift", (x,), self.shape(x), self.shape(x)))

    def mul(self, x: int, gate: int) -> int:
        """Record an element-wise product; the gate broadcasts."""
        return self._same_shape("mul", x, gate)

    def split(self, x: int) -> tuple[int, int]:
        """Record views of the even and of the odd channels: of an odd number fewer are odd."""
        odd = self.shape(x)[0] // 2
        even = self.shape(x)[0] - odd
        return (
            self._view("channel_split", x, even, indices=(0,)),
            self._view("channel_split", x, odd, indices=(1,)),
        )

    def leading(self, x: int, channels: int) -> int:
        """Record a view of the first channels."""
        return self._view("leading_channels", x, channels)

    def trailing(self, x: int, channels: int) -> int:
        """Record a view of the last channels."""
        return self._view("trailing_channels", x, channels)

    def _view(self, op: str, x: int, channels: int, indices: tuple[int, ...] = ()) -> int:
        shape = self.shape(x)
        if channels > shape[0]:
            raise SpaceError(f"{shape[0]} channels do not hold {channels}.")
        made = (channels, *shape[1:])
        return self._record(Layer(op, (x,), shape, made, in_place=True, indices=indices))

    def concat(self, *inputs: int) -> int:
        """Record a concatenation along channels."""
        shapes = [self.shape(x) for x in inputs]
        channels = sum(shape[0] for shape in shapes)
        return self._record(Layer("concat", inputs, shapes[0], (channels, *shapes[0][1:])))

    def conv_bn_act(
        self, x: int, cout: int, *, kernel: int = 1, stride: int = 1, act: str | None = None
    ) -> int:
        """Record convolution, batch norm and activation."""
        return self.act(
            self.batch_norm(self.conv(x, cout, kernel=kernel, stride=stride)),
            act,
        )

    def depthwise_bn_act(
        self, x: int, *, kernel: int, stride: int = 1, act: str | None = None
    ) -> int:
        """Record depthwise convolution, batch norm and activation."""
        return self.act(
            self.batch_norm(self.depthwise(x, kernel=kernel, stride=stride)),
            act,
        )

    def squeeze_excite(
        self, x: int, squeeze: int, *, act: str = "relu", gate: str = "h_sigmoid"
    ) -> int:
        """Record squeeze-and-excitation (Hu et al. 2018)."""
        channels = self.shape(x)[0]
        y = self.act(self.conv(self.global_pool(x), squeeze, bias=True), act)
        y = self.act(self.conv(y, channels, bias=True), gate)
        return self.mul(x, y)


def _check_shape(what: str, shape: Shape) -> None:
    """Refuse a shape with a size below 1."""
    if not shape or min(shape) < 1:
        raise SpaceError(f"The shape {shape} of {what} has a size below 1.")
