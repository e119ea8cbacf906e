"""A search space out of a plain torch module: its widths, found by tracing."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from search_spaces import SearchSpace, register_space


class Residual(nn.Module):
    """Two 3x3 convolutions and a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, c, h, w] to the same shape."""
        y = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(y)) + x)


def network(classes: int = 10) -> nn.Sequential:
    """Return the network that is to be shrunk."""
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, stride=2, padding=1),
        Residual(32),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1),
        Residual(64),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, classes),
    )


@register_space("own_model")
def own_model(classes: int = 10, resolution: int = 32) -> SearchSpace:
    """The widths of a small residual network."""
    with torch.device("meta"):  # shapes are enough; no weights are drawn
        model = network(classes)
    return SearchSpace.from_module(model, (3, resolution, resolution), name="own_model")
