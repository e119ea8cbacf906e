"""AttentiveNAS's supernet: names and shapes of its state dict, and the forward of a subnet.

Written from facts about the published code (its licence is non-commercial, so none of it is
here), without a look at the mapping under test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.nn import functional

from tests.nas.foreign.reference import divisible

WIDEST = (24, 24, 32, 40, 72, 128, 216, 224)
BLOCKS = (2, 5, 6, 6, 8, 8, 2)
STRIDES = (1, 2, 2, 2, 1, 2, 1)
RATIOS = (1, 6, 6, 6, 6, 6, 6)
SQUEEZE = (False, False, True, False, True, True, True)
LARGEST_KERNEL, HIDDEN = 5, 1984


def shapes(classes: int) -> dict[str, tuple[int, ...]]:
    """Return the names with their shapes, unused tensors among them."""
    found: dict[str, tuple[int, ...]] = {}

    def bn(name: str, channels: int) -> None:
        for key in ("bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"):
            found[f"{name}.{key}"] = (channels,)
        found[f"{name}.bn.num_batches_tracked"] = ()
        for number in (0, 1):
            for key in ("running_mean", "running_var"):
                found[f"{name}.bn_tracking.{number}.{key}"] = (channels,)
            found[f"{name}.bn_tracking.{number}.num_batches_tracked"] = ()

    def conv_bn(name: str, cout: int, cin: int, kernel: int = 1) -> None:
        found[f"{name}.conv.conv.weight"] = (cout, cin, kernel, kernel)
        bn(f"{name}.bn", cout)

    conv_bn("first_conv", WIDEST[0], 3, 3)
    cin, index = WIDEST[0], 0
    for s, blocks in enumerate(BLOCKS):
        cout = WIDEST[s + 1]
        for _ in range(blocks):
            block, mid = f"blocks.{index}.mobile_inverted_conv", cin * RATIOS[s]
            if RATIOS[s] > 1:
                conv_bn(f"{block}.inverted_bottleneck", mid, cin)
            conv_bn(f"{block}.depth_conv", mid, 1, LARGEST_KERNEL)
            if SQUEEZE[s]:
                squeeze = divisible(mid // 4)
                found[f"{block}.depth_conv.se.fc.reduce.weight"] = (squeeze, mid, 1, 1)
                found[f"{block}.depth_conv.se.fc.reduce.bias"] = (squeeze,)
                found[f"{block}.depth_conv.se.fc.expand.weight"] = (mid, squeeze, 1, 1)
                found[f"{block}.depth_conv.se.fc.expand.bias"] = (mid,)
            conv_bn(f"{block}.point_linear", cout, mid)
            found[f"blocks.{index}.shortcut.conv.conv.weight"] = (cout, cin, 1, 1)
            cin, index = cout, index + 1
    conv_bn("last_conv.final_expand_layer", 6 * cin, cin)
    found["last_conv.feature_mix_layer.conv.conv.weight"] = (HIDDEN, 6 * cin, 1, 1)
    found["classifier.linear.linear.weight"] = (classes, HIDDEN)
    found["classifier.linear.linear.bias"] = (classes,)
    return found


@dataclass(frozen=True)
class Reference:
    """What the published supernet computes with stored statistics, functional."""

    state: dict[str, Tensor]

    def __call__(self, x: Tensor, a: Mapping[str, Any]) -> Tensor:
        """Return logits of images at the resolution of an architecture."""
        x = functional.silu(self._conv(x, "first_conv", a["width_stem"], stride=2))
        first = 0
        for s, blocks in enumerate(BLOCKS, start=1):
            for b in range(a[f"depth_{s}"]):
                stride = STRIDES[s - 1] if b == 0 else 1
                sizes = (a[f"width_{s}"], a[f"kernel_{s}"], a[f"expand_{s}"], stride)
                x = self._block(x, first + b, *sizes)
            first += blocks
        x = functional.silu(self._conv(x, "last_conv.final_expand_layer", 6 * x.shape[1]))
        x = x.mean((2, 3), keepdim=True)
        name = "last_conv.feature_mix_layer.conv.conv.weight"
        weight = self.state[name][: a["width_last"], : x.shape[1]]
        x = functional.silu(functional.conv2d(x, weight)).flatten(1)
        weight = self.state["classifier.linear.linear.weight"][:, : x.shape[1]]
        return functional.linear(x, weight, self.state["classifier.linear.linear.bias"])

    def _block(
        self, x: Tensor, i: int, width: int, kernel: int, ratio: int, stride: int
    ) -> Tensor:
        name, cin = f"blocks.{i}.mobile_inverted_conv", x.shape[1]
        mid = divisible(round(cin * ratio))
        y = x
        if f"{name}.inverted_bottleneck.conv.conv.weight" in self.state:
            y = functional.silu(self._conv(y, f"{name}.inverted_bottleneck", mid))
        weight = self.state[f"{name}.depth_conv.conv.conv.weight"][:mid]
        start = (LARGEST_KERNEL - kernel) // 2
        weight = weight[:, :, start : start + kernel, start : start + kernel]
        y = functional.conv2d(y, weight, None, stride, kernel // 2, groups=mid)
        y = functional.silu(self._bn(y, f"{name}.depth_conv.bn"))
        if f"{name}.depth_conv.se.fc.reduce.weight" in self.state:
            y = y * self._gate(y, f"{name}.depth_conv.se.fc")
        y = self._conv(y, f"{name}.point_linear", width)
        if stride > 1:
            x = functional.avg_pool2d(x, stride, padding=x.shape[-1] % 2)
        if cin != width:
            weight = self.state[f"blocks.{i}.shortcut.conv.conv.weight"][:width, :cin]
            x = functional.conv2d(x, weight)
        return y + x

    def _gate(self, x: Tensor, name: str) -> Tensor:
        mid = x.shape[1]
        squeeze = divisible(mid // 4)
        y = x.mean((2, 3), keepdim=True)
        weight = self.state[f"{name}.reduce.weight"][:squeeze, :mid]
        y = functional.conv2d(y, weight, self.state[f"{name}.reduce.bias"][:squeeze])
        weight = self.state[f"{name}.expand.weight"][:mid, :squeeze]
        y = functional.conv2d(y.relu(), weight, self.state[f"{name}.expand.bias"][:mid])
        return functional.relu6(y + 3) / 6

    def _conv(self, x: Tensor, name: str, cout: int, stride: int = 1) -> Tensor:
        weight = self.state[f"{name}.conv.conv.weight"][:cout, : x.shape[1]]
        y = functional.conv2d(x, weight, None, stride, weight.shape[-1] // 2)
        return self._bn(y, f"{name}.bn")

    def _bn(self, x: Tensor, name: str) -> Tensor:
        c = x.shape[1]
        mean, var, weight, bias = (
            self.state[f"{name}.bn.{key}"][:c]
            for key in ("running_mean", "running_var", "weight", "bias")
        )
        return functional.batch_norm(x, mean, var, weight, bias, False, 0.0, 1e-5)
