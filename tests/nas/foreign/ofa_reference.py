"""Once-for-all's MobileNetV3 as published: names and shapes of its state dict, and its forward.

Written from the published code (mit-han-lab/once-for-all, MIT; PyPI `ofa`), without a look at
the mapping under test: widths, strides, activations and names are spelt out here again.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

STRIDES = (2, 2, 2, 1, 2)
H_SWISH = (False, False, True, True, True)
SQUEEZE = (False, True, False, True, True)
WIDTHS = {
    1.0: (16, 16, 24, 40, 80, 112, 160, 960, 1280),
    1.2: (24, 24, 32, 48, 96, 136, 192, 1152, 1536),
}


def divisible(value: float) -> int:
    """Channels are multiples of 8, and at least 90 % of what was asked for."""
    rounded = max(8, int(value + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * value else rounded


def shapes(width: float, classes: int) -> dict[str, tuple[int, ...]]:
    """Return the names of the current code with their shapes."""
    stem, first, *stages, last, hidden = WIDTHS[width]
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
    for cout, se in zip(stages, SQUEEZE, strict=True):
        for _ in range(4):
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
    found["final_expand_layer.conv.weight"] = (last, cin, 1, 1)
    bn("final_expand_layer.bn", last)
    found["feature_mix_layer.conv.weight"] = (hidden, last, 1, 1)
    found["classifier.linear.weight"] = (classes, hidden)
    found["classifier.linear.bias"] = (classes,)
    return found


def random_state(
    sizes: dict[str, tuple[int, ...]], generator: torch.Generator
) -> dict[str, Tensor]:
    """Return weights and statistics that keep activations near one and share nothing."""
    state = {}
    for name, shape in sizes.items():
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(7)
            continue
        tensor = torch.randn(shape, generator=generator)
        if name.endswith("matrix"):
            tensor = torch.eye(shape[0]) + 0.1 * tensor
        elif name.endswith("running_var") or (name.endswith("weight") and len(shape) == 1):
            tensor = 0.5 + torch.rand(shape, generator=generator)
        elif len(shape) > 1:
            tensor = tensor * (2 / tensor[0].numel()) ** 0.5
        else:
            tensor = 0.1 * tensor
        state[name] = tensor
    return state


@dataclass(frozen=True)
class Reference:
    """The published forward, functional, of one state dict."""

    state: dict[str, Tensor]

    def __call__(
        self, x: Tensor, kernels: list[int], ratios: list[int], depths: list[int]
    ) -> Tensor:
        """Return logits; kernels and ratios are those of all twenty blocks."""
        y = functional.conv2d(x, self.state["first_conv.conv.weight"], None, 2, 1)
        y = functional.hardswish(self._bn(y, "first_conv.bn"))
        y = y + self._first(y)
        for s in range(5):
            for b in range(depths[s]):
                i = 4 * s + b
                z = self._block(y, i + 1, s, kernels[i], ratios[i], STRIDES[s] if b == 0 else 1)
                y = z if b == 0 else y + z
        y = functional.conv2d(y, self.state["final_expand_layer.conv.weight"])
        y = functional.hardswish(self._bn(y, "final_expand_layer.bn"))
        y = y.mean(3, keepdim=True).mean(2, keepdim=True)
        y = functional.hardswish(functional.conv2d(y, self.state["feature_mix_layer.conv.weight"]))
        weight, bias = (self.state[f"classifier.linear.{k}"] for k in ("weight", "bias"))
        return functional.linear(y.flatten(1), weight, bias)

    def _bn(self, x: Tensor, name: str) -> Tensor:
        c = x.shape[1]
        mean, var, weight, bias = (
            self.state[f"{name}.{key}"][:c]
            for key in ("running_mean", "running_var", "weight", "bias")
        )
        return functional.batch_norm(x, mean, var, weight, bias, False, 0.0, 1e-5)

    def _first(self, x: Tensor) -> Tensor:
        block = "blocks.0.conv"
        weight = self.state[f"{block}.depth_conv.conv.weight"]
        y = functional.conv2d(x, weight, None, 1, 1, groups=weight.shape[0])
        y = functional.relu(self._bn(y, f"{block}.depth_conv.bn"))
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
        act = functional.hardswish if H_SWISH[s] else functional.relu
        mid = divisible(cin * ratio)
        weight = self.state[f"{block}.inverted_bottleneck.conv.conv.weight"][:mid, :cin]
        y = act(self._bn(functional.conv2d(x, weight), f"{block}.inverted_bottleneck.bn.bn"))
        weight = self._kernel(block, mid, kernel)
        y = functional.conv2d(y, weight, None, stride, kernel // 2, groups=mid)
        y = act(self._bn(y, f"{block}.depth_conv.bn.bn"))
        if SQUEEZE[s]:
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
