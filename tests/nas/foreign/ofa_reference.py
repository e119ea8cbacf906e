"""Once-for-all's MobileNetV3 and ProxylessNAS as published: names and shapes, and the forward.

Written from the published code (mit-han-lab/once-for-all, MIT; PyPI `ofa`), without a look at
the mapping under test: widths, strides, activations and names are spelt out here again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from search_spaces import Architecture
from tests.nas.foreign.reference import divisible


@dataclass(frozen=True)
class Family:
    """What tells the two networks apart; tuples have an entry for each stage."""

    widths: Mapping[float, tuple[int, ...]]
    strides: tuple[int, ...]
    blocks: tuple[int, ...]
    squeeze: tuple[bool, ...]
    acts: tuple[Callable[[Tensor], Tensor], ...]
    outer: Callable[[Tensor], Tensor]
    eps: float
    hidden: bool


MOBILENET = Family(
    widths={
        1.0: (16, 16, 24, 40, 80, 112, 160, 960, 1280),
        1.2: (24, 24, 32, 48, 96, 136, 192, 1152, 1536),
    },
    strides=(2, 2, 2, 1, 2),
    blocks=(4, 4, 4, 4, 4),
    squeeze=(False, True, False, True, True),
    acts=(functional.relu, functional.relu, *3 * (functional.hardswish,)),
    outer=functional.hardswish,
    eps=1e-5,
    hidden=True,
)
PROXYLESS = Family(
    widths={1.3: (40, 24, 32, 56, 104, 128, 248, 416, 1664)},
    strides=(2, 2, 2, 1, 2, 1),
    blocks=(4, 4, 4, 4, 4, 1),
    squeeze=(False,) * 6,
    acts=(functional.relu6,) * 6,
    outer=functional.relu6,
    eps=1e-3,
    hidden=False,
)


def shapes(family: Family, width: float, classes: int) -> dict[str, tuple[int, ...]]:
    """Return the names of the current code with their shapes."""
    stem, first, *stages = family.widths[width]
    hidden = stages.pop() if family.hidden else 0
    last = stages.pop()
    found: dict[str, tuple[int, ...]] = {}

    def bn(name: str, channels: int) -> None:
        for key in ("weight", "bias", "running_mean", "running_var"):
            found[f"{name}.{key}"] = (channels,)
        found[f"{name}.num_batches_tracked"] = ()

    found["first_conv.conv.weight"] = (stem, 3, 3, 3)
    bn("first_conv.bn", stem)
    found["blocks.0.conv.depth_conv.conv.weight"] = (stem, 1, 3, 3)
    bn("blocks.0.conv.depth_conv.bn", stem)
    found["blocks.0.conv.point_linear.conv.weight"] = (first, stem, 1, 1)
    bn("blocks.0.conv.point_linear.bn", first)
    cin, index = first, 1
    for cout, se, blocks in zip(stages, family.squeeze, family.blocks, strict=True):
        for _ in range(blocks):
            block, mid = f"blocks.{index}.conv", divisible(cin * 6)
            found[f"{block}.inverted_bottleneck.conv.conv.weight"] = (mid, cin, 1, 1)
            bn(f"{block}.inverted_bottleneck.bn.bn", mid)
            found[f"{block}.depth_conv.conv.5to3_matrix"] = (9, 9)
            found[f"{block}.depth_conv.conv.7to5_matrix"] = (25, 25)
            found[f"{block}.depth_conv.conv.conv.weight"] = (mid, 1, 7, 7)
            bn(f"{block}.depth_conv.bn.bn", mid)
            if se:
                squeeze = divisible(mid // 4)
                found[f"{block}.depth_conv.se.fc.reduce.weight"] = (squeeze, mid, 1, 1)
                found[f"{block}.depth_conv.se.fc.reduce.bias"] = (squeeze,)
                found[f"{block}.depth_conv.se.fc.expand.weight"] = (mid, squeeze, 1, 1)
                found[f"{block}.depth_conv.se.fc.expand.bias"] = (mid,)
            found[f"{block}.point_linear.conv.conv.weight"] = (cout, mid, 1, 1)
            bn(f"{block}.point_linear.bn.bn", cout)
            cin, index = cout, index + 1
    final = "final_expand_layer" if hidden else "feature_mix_layer"
    found[f"{final}.conv.weight"] = (last, cin, 1, 1)
    bn(f"{final}.bn", last)
    if hidden:
        found["feature_mix_layer.conv.weight"] = (hidden, last, 1, 1)
    found["classifier.linear.weight"] = (classes, hidden or last)
    found["classifier.linear.bias"] = (classes,)
    return found


@dataclass(frozen=True)
class Reference:
    """The published forward, functional, of one state dict."""

    family: Family
    state: dict[str, Tensor]

    def __call__(
        self, x: Tensor, kernels: list[int], ratios: list[int], depths: list[int]
    ) -> Tensor:
        """Return logits; kernels and ratios are those of all blocks, even of unused ones."""
        net = self.family
        y = functional.conv2d(x, self.state["first_conv.conv.weight"], None, 2, 1)
        y = net.outer(self._bn(y, "first_conv.bn"))
        z = self._first(y)
        y = z + y if z.shape == y.shape else z
        for s, stride in enumerate(net.strides):
            for b in range(depths[s]):
                i = 4 * s + b
                z = self._block(y, i + 1, s, kernels[i], ratios[i], stride if b == 0 else 1)
                y = z if b == 0 else y + z
        final = "final_expand_layer" if net.hidden else "feature_mix_layer"
        y = functional.conv2d(y, self.state[f"{final}.conv.weight"])
        y = net.outer(self._bn(y, f"{final}.bn"))
        y = y.mean(3, keepdim=True).mean(2, keepdim=True)
        if net.hidden:
            y = net.outer(functional.conv2d(y, self.state["feature_mix_layer.conv.weight"]))
        weight, bias = (self.state[f"classifier.linear.{k}"] for k in ("weight", "bias"))
        return functional.linear(y.flatten(1), weight, bias)

    def _bn(self, x: Tensor, name: str) -> Tensor:
        c = x.shape[1]
        mean, var, weight, bias = (
            self.state[f"{name}.{key}"][:c]
            for key in ("running_mean", "running_var", "weight", "bias")
        )
        return functional.batch_norm(x, mean, var, weight, bias, False, 0.0, self.family.eps)

    def _first(self, x: Tensor) -> Tensor:
        block = "blocks.0.conv"
        weight = self.state[f"{block}.depth_conv.conv.weight"]
        y = functional.conv2d(x, weight, None, 1, 1, groups=weight.shape[0])
        y = self.family.acts[0](self._bn(y, f"{block}.depth_conv.bn"))
        y = functional.conv2d(y, self.state[f"{block}.point_linear.conv.weight"])
        return self._bn(y, f"{block}.point_linear.bn")

    def _kernel(self, block: str, mid: int, kernel: int) -> Tensor:
        weight = self.state[f"{block}.depth_conv.conv.conv.weight"][:mid]
        for larger, k in ((7, 5), (5, 3)):
            if kernel < larger:
                matrix = self.state[f"{block}.depth_conv.conv.{larger}to{k}_matrix"]
                crop = weight[:, :, 1:-1, 1:-1].reshape(mid, k * k)
                weight = functional.linear(crop, matrix).view(mid, 1, k, k)
        return weight

    def _block(self, x: Tensor, i: int, s: int, kernel: int, ratio: int, stride: int) -> Tensor:
        block, cin = f"blocks.{i}.conv", x.shape[1]
        act = self.family.acts[s]
        mid = divisible(cin * ratio)
        weight = self.state[f"{block}.inverted_bottleneck.conv.conv.weight"][:mid, :cin]
        y = act(self._bn(functional.conv2d(x, weight), f"{block}.inverted_bottleneck.bn.bn"))
        weight = self._kernel(block, mid, kernel)
        y = functional.conv2d(y, weight, None, stride, kernel // 2, groups=mid)
        y = act(self._bn(y, f"{block}.depth_conv.bn.bn"))
        if self.family.squeeze[s]:
            y = self._squeeze(y, f"{block}.depth_conv.se.fc")
        weight = self.state[f"{block}.point_linear.conv.conv.weight"][:, :mid]
        return self._bn(functional.conv2d(y, weight), f"{block}.point_linear.bn.bn")

    def _squeeze(self, x: Tensor, name: str) -> Tensor:
        mid = x.shape[1]
        squeeze = divisible(mid // 4)
        y = x.mean(3, keepdim=True).mean(2, keepdim=True)
        weight = self.state[f"{name}.reduce.weight"][:squeeze, :mid]
        y = functional.conv2d(y, weight, self.state[f"{name}.reduce.bias"][:squeeze])
        weight = self.state[f"{name}.expand.weight"][:mid, :squeeze]
        y = functional.conv2d(functional.relu(y), weight, self.state[f"{name}.expand.bias"][:mid])
        return x * functional.hardsigmoid(y)


def settings(architecture: Architecture) -> tuple[list[int], list[int], list[int]]:
    """Return kernels and ratios of all blocks, and depths, of an architecture of ours."""
    kernels = [int(architecture[name]) for name in architecture if name.startswith("kernel")]
    ratios = [int(architecture[name]) for name in architecture if name.startswith("expand")]
    stages = 6 if "kernel_6_0" in architecture else 5
    return kernels, ratios, [int(architecture.get(f"depth_{s + 1}", 1)) for s in range(stages)]
