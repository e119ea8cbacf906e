"""What tests of foreign weights share: random weights, files, and equality of outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from search_spaces import Architecture
from search_spaces.supernet import Supernet

__all__ = ["assert_equal", "by_settings", "divisible", "random_state", "saved"]


def divisible(value: float) -> int:
    """Channels are multiples of 8, and at least 90 % of what was asked for."""
    rounded = max(8, int(value + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * value else rounded


def saved(folder: Path, value: Any) -> Path:
    """Return the path of a file of torch that holds a value."""
    path = folder / "foreign.pth"
    torch.save(value, path)
    return path


def random_state(
    sizes: Mapping[str, tuple[int, ...]], generator: torch.Generator
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


def by_settings(
    forward: Callable[..., Tensor], settings: Callable[[Architecture], tuple[Any, ...]]
) -> Callable[[Tensor, Architecture], Tensor]:
    """Return a forward of architectures of ours, made of one of published settings."""
    return lambda x, architecture: forward(x, *settings(architecture))


@torch.no_grad()
def assert_equal(
    supernet: Supernet, theirs: Callable[[Tensor, Architecture], Tensor], *, subnets: int
) -> None:
    """Compare the logits of random subnets, of the supernet and extracted, to 1e-5."""
    space = supernet.space
    generator = torch.Generator().manual_seed(0)
    for row in space.sample(subnets, np.random.default_rng(3)):
        architecture = space.decode(row)
        x = torch.randn(2, *space.input_shape_of(architecture), generator=generator)
        expected = theirs(x, architecture)
        assert expected.std() > 0.01
        for ours in (supernet(x, architecture), supernet.subnet(architecture)(x)):
            scale = max(1.0, float(expected.abs().max()))
            assert float((ours - expected).abs().max()) < 1e-5 * scale
