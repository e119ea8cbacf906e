"""Residual blocks that rectify few of their elements, in torch (SNL, AutoReP).

Which elements a block keeps is told by a score for each of them, see `modules.kept`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from search_spaces.blocks import RectifiedConv, RectifiedSum, Shape, layers_of
from search_spaces.modules.activations import activate, make_activation
from search_spaces.modules.block import ElasticBlock, register_modules, require_equal
from search_spaces.modules.conv import ElasticConvBN, conv_bn
from search_spaces.modules.elastic import Part, Region
from search_spaces.modules.kept import KeptUnits, largest, spread

__all__ = [
    "ElasticRectifiedConv",
    "ElasticRectifiedSum",
    "PartialRelu",
    "StaticPartialRelu",
    "StaticRectifiedConv",
    "StaticRectifiedSum",
    "nearest_parabola",
]


def nearest_parabola(mean: Tensor, std: Tensor) -> Tensor:
    """Return c0, c1, c2 of the parabola nearest to max(x, 0) for normally distributed x.

    The mean square is smallest; the parts are those of the Hermite polynomials of degree 0 to 2
    in (x - mean) / std (AutoReP, arXiv:2308.10134, section 3.3).

    Args:
        mean: Of x, a tensor [channels].
        std: Standard deviation of x, above zero, [channels].

    Returns:
        A tensor [3, channels].
    """
    t = mean / std
    density = (-0.5 * t.square()).exp() / math.sqrt(2 * math.pi)
    positive = 0.5 * (1 + torch.erf(t / math.sqrt(2)))
    curvature = density / (2 * std)
    at_mean = mean * positive + std * density - curvature * std.square()
    return torch.stack(
        [
            at_mean - positive * mean + curvature * mean.square(),
            positive - 2 * curvature * mean,
            curvature,
        ]
    )


def _initial_coefficients(channels: int) -> nn.Parameter:
    """Return coefficients [3, channels] for a standard normal, which is what batch norm makes."""
    return nn.Parameter(nearest_parabola(torch.zeros(channels), torch.ones(channels)))


def _rectified(x: Tensor, mask: Tensor | None, coefficients: Tensor | None) -> Tensor:
    """Rectify the elements of [n, C, H, W] where a mask [C, H, W] is true; None is nowhere."""
    rest = x
    if coefficients is not None:
        c0, c1, c2 = coefficients[:, :, None, None]
        rest = (c2 * x + c1) * x + c0
    return rest if mask is None else torch.where(mask, activate(x, "relu", inplace=False), rest)


class StaticPartialRelu(nn.Module):
    """The activation of a plain block that keeps less than all elements.

    Attributes:
        mask: Buffer, true where an element is rectified, bool [C, H, W]; absent where none is.
            A fresh one keeps elements, or channels, at equal distances.
        coefficients: c0, c1, c2 of every channel, [3, C]; absent where the rest is identity.
    """

    def __init__(self, shape: Shape, kept: int, rest: str, granularity: str) -> None:
        super().__init__()
        self.mask: Tensor | None
        mask = _spread(shape, kept, granularity) if kept else None
        self.register_buffer("mask", mask)
        polynomial = rest == "polynomial"
        self.coefficients = _initial_coefficients(shape[0]) if polynomial else None

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, C, H, W] to the same shape."""
        return _rectified(x, self.mask, self.coefficients)


def _spread(shape: Shape, kept: int, granularity: str) -> Tensor:
    """Return a mask of elements, or channels, at equal distances."""
    units = shape[0] if granularity == "channel" else math.prod(shape)
    chosen = spread(units, kept * units // math.prod(shape))
    if granularity == "pixel":
        return chosen.reshape(shape)
    return chosen[:, None, None].expand(shape).contiguous()


def _activation(spec: RectifiedConv | RectifiedSum) -> nn.Module:
    """Return the activation of a plain block."""
    shape = layers_of(spec)[-1].out_shape
    if spec.kept == math.prod(shape):
        return make_activation("relu")
    return StaticPartialRelu(shape, spec.kept, spec.rest, spec.granularity)


class PartialRelu(KeptUnits):
    """Elastic twin of `StaticPartialRelu`, for any number of kept elements.

    Where there is one spec only, nothing is to be chosen: it has the mask of its twin. Scores
    and mask are [C, H, W]; a channel's score is the mean of those of its elements.

    Args:
        specs: What the slot's blocks keep, see `_kept`.
        shape: Of the map, (C, H, W).
        generator: Draws the scores.

    Attributes:
        coefficients: c0, c1, c2 of every channel, [3, C].
    """

    def __init__(
        self, specs: Sequence[tuple[int, str, str]], shape: Shape, *, generator: torch.Generator
    ) -> None:
        kept, _, granularity = specs[0]
        if len(set(specs)) > 1:
            super().__init__(torch.rand(shape, generator=generator), None)
        else:
            part = 0 < kept < math.prod(shape)
            super().__init__(None, _spread(shape, kept, granularity) if part else None)
        self._size = math.prod(shape)
        polynomial = any(rest == "polynomial" for _, rest, _ in specs)
        self.coefficients = _initial_coefficients(shape[0]) if polynomial else None

    def mask_of(self, kept: int, granularity: str) -> Tensor | None:
        """Return where elements are rectified, bool [C, H, W]; None for nowhere."""
        if not kept:
            return None
        if self.mask is not None:
            return self.mask
        by_channel = granularity == "channel"
        scores = self.scores.mean((1, 2), keepdim=True) if by_channel else self.scores
        count = kept * scores.numel() // self.scores.numel()
        return largest(scores, count).expand(self.scores.shape)

    def forward(
        self, x: Tensor, kept: int, rest: str, granularity: str, *, gate: Tensor | None = None
    ) -> Tensor:
        """Map [n, C, H, W] to the same shape.

        Args:
            x: The map.
            kept: Elements that are rectified.
            rest: What happens to the others.
            granularity: Whether elements or channels are kept.
            gate: How much of every element is rectified, [C, H, W], in place of a mask.
        """
        if gate is None and kept == self._size:
            return activate(x, "relu")
        coefficients = self.coefficients if rest == "polynomial" else None
        if gate is not None:
            rest_of = _rectified(x, None, coefficients)
            return rest_of + gate * (activate(x, "relu", inplace=False) - rest_of)
        return _rectified(x, self.mask_of(kept, granularity), coefficients)

    def active(self, kept: int, rest: str, granularity: str) -> dict[str, Region]:
        """Return the region of the coefficients, of channels that are not kept as a whole."""
        if self.coefficients is None or rest != "polynomial" or kept == self._size:
            return {}
        mask = self.mask_of(kept, granularity)
        if mask is None:
            return {"coefficients": (slice(0, 3), slice(0, self.coefficients.shape[1]))}
        used = mask.flatten(1).all(1).logical_not().nonzero().flatten()
        return {"coefficients": (slice(0, 3), slice(int(used[0]), int(used[-1]) + 1))}

    def weights(self, kept: int, rest: str, granularity: str) -> dict[str, Tensor]:
        """Return mask and coefficients of the plain activation."""
        if kept == self._size:
            return {}
        mask = self.mask_of(kept, granularity)
        state = {} if mask is None else {"mask": mask}
        if self.active(kept, rest, granularity) and self.coefficients is not None:
            state["coefficients"] = self.coefficients.detach()
        return state


class StaticRectifiedConv(nn.Module):
    """The plain module of a `RectifiedConv`."""

    def __init__(self, spec: RectifiedConv) -> None:
        super().__init__()
        self.main = conv_bn(spec.cin, spec.cout, kernel=spec.kernel, stride=spec.stride)
        self.act = _activation(spec)

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, cin, h, w] to [n, cout, h', w']."""
        made: Tensor = self.act(self.main(x))
        return made


class StaticRectifiedSum(nn.Module):
    """The plain module of a `RectifiedSum`."""

    def __init__(self, spec: RectifiedSum) -> None:
        super().__init__()
        self.main = conv_bn(spec.cout, spec.cout, kernel=spec.kernel)
        self.skip: nn.Module | None = None
        if spec.project:
            self.skip = conv_bn(spec.cin, spec.cout, stride=spec.stride)
        self.act = _activation(spec)

    def forward(self, x: Tensor, shortcut: Tensor) -> Tensor:
        """Map [n, cout, h', w'] and [n, cin, h, w] to [n, cout, h', w']."""
        y = self.main(x)
        made: Tensor = self.act(y + (shortcut if self.skip is None else self.skip(shortcut)))
        return made


def _elastic_activation(
    blocks: Sequence[RectifiedConv] | Sequence[RectifiedSum], generator: torch.Generator
) -> PartialRelu:
    shape = layers_of(blocks[0])[-1].out_shape
    return PartialRelu([_kept(block) for block in blocks], shape, generator=generator)


def _kept(spec: RectifiedConv | RectifiedSum) -> tuple[int, str, str]:
    return (spec.kept, spec.rest, spec.granularity)


class ElasticRectifiedConv(ElasticBlock):
    """Elastic twin of `StaticRectifiedConv`: specs differ in what they keep."""

    def __init__(self, blocks: Sequence[RectifiedConv], generator: torch.Generator) -> None:
        super().__init__()
        require_equal(blocks, "cin", "cout", "hw", "kernel", "stride")
        first = blocks[0]
        self.main = ElasticConvBN(first.cin, first.cout, kernel=first.kernel, generator=generator)
        self.act = _elastic_activation(blocks, generator)

    def forward(self, x: Tensor, spec: RectifiedConv, *, gate: Tensor | None = None) -> Tensor:
        """Run one block on [n, cin, h, w]; for the gate see `PartialRelu`."""
        y = self.main(x, spec.cout, kernel=spec.kernel, stride=spec.stride)
        made: Tensor = self.act(y, *_kept(spec), gate=gate)
        return made

    def parts(self, spec: RectifiedConv) -> Sequence[Part]:
        """Return convolution and activation with their sizes."""
        return [
            ("main", self.main, (spec.cin, spec.cout, spec.kernel)),
            ("act", self.act, _kept(spec)),
        ]


class ElasticRectifiedSum(ElasticBlock):
    """Elastic twin of `StaticRectifiedSum`: specs differ in what they keep."""

    def __init__(self, blocks: Sequence[RectifiedSum], generator: torch.Generator) -> None:
        super().__init__()
        require_equal(blocks, "cin", "cout", "hw", "kernel", "stride")
        first = blocks[0]
        self.main = ElasticConvBN(first.cout, first.cout, kernel=first.kernel, generator=generator)
        self.skip: ElasticConvBN | None = None
        if first.project:
            self.skip = ElasticConvBN(first.cin, first.cout, generator=generator)
        self.act = _elastic_activation(blocks, generator)

    def forward(
        self, x: Tensor, shortcut: Tensor, spec: RectifiedSum, *, gate: Tensor | None = None
    ) -> Tensor:
        """Run one block on [n, cout, h', w'] and [n, cin, h, w]; see `PartialRelu`."""
        y = self.main(x, spec.cout, kernel=spec.kernel)
        if self.skip is not None:
            shortcut = self.skip(shortcut, spec.cout, stride=spec.stride)
        made: Tensor = self.act(y + shortcut, *_kept(spec), gate=gate)
        return made

    def parts(self, spec: RectifiedSum) -> Sequence[Part]:
        """Return convolutions and activation with their sizes."""
        parts: list[Part] = [("main", self.main, (spec.cout, spec.cout, spec.kernel))]
        if self.skip is not None:
            parts.append(("skip", self.skip, (spec.cin, spec.cout)))
        return [*parts, ("act", self.act, _kept(spec))]


register_modules(RectifiedConv, plain=StaticRectifiedConv, elastic=ElasticRectifiedConv)
register_modules(RectifiedSum, plain=StaticRectifiedSum, elastic=ElasticRectifiedSum)
