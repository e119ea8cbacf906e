"""Once-for-all's ResNet-50 as published: names and shapes of its state dict, and its forward.

Written from the published code (mit-han-lab/once-for-all, MIT), without a look at the mapping
under test.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from search_spaces import Architecture
from tests.nas.foreign.reference import divisible

WIDTHS = (256, 512, 1024, 2048)
BLOCKS = (4, 4, 6, 4)
STRIDES = (1, 2, 2, 2)
RATIO = 0.35


def shapes(classes: int) -> dict[str, tuple[int, ...]]:
    """Return the names with their shapes."""
    found: dict[str, tuple[int, ...]] = {}

    def conv_bn(name: str, cout: int, cin: int, kernel: int) -> None:
        found[f"{name}.conv.conv.weight"] = (cout, cin, kernel, kernel)
        for key in ("weight", "bias", "running_mean", "running_var"):
            found[f"{name}.bn.bn.{key}"] = (cout,)
        found[f"{name}.bn.bn.num_batches_tracked"] = ()

    conv_bn("input_stem.0", 32, 3, 3)
    conv_bn("input_stem.1.conv", 32, 32, 3)
    conv_bn("input_stem.2", 64, 32, 3)
    cin, index = 64, 0
    for cout, blocks in zip(WIDTHS, BLOCKS, strict=True):
        mid = divisible(round(cout * RATIO))
        for b in range(blocks):
            conv_bn(f"blocks.{index}.conv1", mid, cin, 1)
            conv_bn(f"blocks.{index}.conv2", mid, mid, 3)
            conv_bn(f"blocks.{index}.conv3", cout, mid, 1)
            if b == 0:
                conv_bn(f"blocks.{index}.downsample", cout, cin, 1)
            cin, index = cout, index + 1
    found["classifier.linear.linear.weight"] = (classes, cin)
    found["classifier.linear.linear.bias"] = (classes,)
    return found


@dataclass(frozen=True)
class Reference:
    """The published forward, functional, of one state dict."""

    state: dict[str, Tensor]

    def __call__(
        self,
        x: Tensor,
        residual: bool,
        widths: list[float],
        depths: list[int],
        ratios: list[list[float]],
    ) -> Tensor:
        """Return logits.

        Args:
            x: Images.
            residual: Whether the convolution in the middle of the stem runs.
            widths: Multipliers of the stem's middle and end, and of the four stages.
            depths: Blocks of the stages that run.
            ratios: Of all blocks of all stages.
        """
        inner, outer = divisible(divisible(64 * widths[0]) // 2), divisible(64 * widths[1])
        x = self._conv(x, "input_stem.0", inner, stride=2).relu()
        if residual:
            x = self._conv(x, "input_stem.1.conv", inner).relu() + x
        x = self._conv(x, "input_stem.2", outer).relu()
        x = functional.max_pool2d(x, 3, 2, 1)
        index = 0
        for s, blocks in enumerate(BLOCKS):
            width = divisible(WIDTHS[s] * widths[2 + s])
            for b in range(depths[s]):
                stride = STRIDES[s] if b == 0 else 1
                x = self._block(x, f"blocks.{index + b}", width, ratios[s][b], stride)
            index += blocks
        x = x.mean(3).mean(2)
        weight = self.state["classifier.linear.linear.weight"][:, : x.shape[1]]
        return functional.linear(x, weight, self.state["classifier.linear.linear.bias"])

    def _block(self, x: Tensor, name: str, width: int, ratio: float, stride: int) -> Tensor:
        mid = divisible(round(width * ratio))
        y = self._conv(x, f"{name}.conv1", mid).relu()
        y = self._conv(y, f"{name}.conv2", mid, stride=stride).relu()
        y = self._conv(y, f"{name}.conv3", width)
        if f"{name}.downsample.conv.conv.weight" in self.state:
            x = functional.avg_pool2d(x, stride, stride, 0, ceil_mode=True)
            x = self._conv(x, f"{name}.downsample", width)
        return torch.relu(y + x)

    def _conv(self, x: Tensor, name: str, cout: int, stride: int = 1) -> Tensor:
        weight = self.state[f"{name}.conv.conv.weight"][:cout, : x.shape[1]]
        y = functional.conv2d(x, weight, None, stride, weight.shape[-1] // 2)
        mean, var, weight, bias = (
            self.state[f"{name}.bn.bn.{key}"][:cout]
            for key in ("running_mean", "running_var", "weight", "bias")
        )
        return functional.batch_norm(y, mean, var, weight, bias, False, 0.0, 1e-5)


def settings(
    architecture: Architecture,
) -> tuple[bool, list[float], list[int], list[list[float]]]:
    """Return the arguments of `Reference` for an architecture of ours."""
    names = ["width_stem_inner", "width_stem", *(f"width_{s}" for s in range(1, 5))]
    widths = [float(architecture[name]) for name in names]
    depths = [int(architecture[f"depth_{s}"]) for s in range(1, 5)]
    ratios = [
        [float(architecture[f"expand_{s}_{b}"]) for b in range(blocks)]
        for s, blocks in enumerate(BLOCKS, start=1)
    ]
    return architecture["stem_residual"] == "yes", widths, depths, ratios
