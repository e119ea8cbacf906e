"""Zero-cost scores: how promising a network is, from its shapes or from one untrained pass.

They rank networks of one space, or serve as features; none is an accuracy. torch is imported
when a score of a module is asked for. The network's own weights are used, so initialise them
first, for example with `search_spaces.supernet.build_network`; `zen_score` alone draws others.
A score works on a copy of the module: its weights, gradients, running statistics of batch norm
and training flags stay what they were.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from predictors.errors import PredictorError
from search_spaces import Architecture, SearchSpace
from search_spaces.blocks import Layer, layers_of

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = ["deepmad_entropy", "naswot", "prenas", "saliencies", "synflow", "zen_score"]


def naswot(module: nn.Module, images: torch.Tensor) -> float:
    """Return how differently a network's ReLUs answer to the images of a batch.

    log |det K|, where K[i, j] counts the ReLU units that are on for both images i and j or off
    for both (Mellor et al. 2021, arXiv:2006.04647, equation 2). Activations of other kinds are
    not counted.

    Args:
        module: With ReLU activations as modules, in the mode in which it is to run.
        images: [n, C, H, W].

    Returns:
        -inf when two images have one pattern.

    Raises:
        PredictorError: The module has no ReLU.
    """
    import torch
    from torch import nn

    kernel = torch.zeros(len(images), len(images), dtype=torch.float64)
    units = 0

    def count(layer: nn.Module, inputs: object, output: torch.Tensor) -> None:
        nonlocal kernel, units
        on = (output.detach().flatten(1) > 0).double().cpu()
        kernel = kernel + on @ on.T + (1 - on) @ (1 - on).T
        units += on.shape[1]

    network = copy.deepcopy(module)
    for layer in network.modules():
        if isinstance(layer, nn.ReLU | nn.ReLU6):
            layer.register_forward_hook(count)
    with torch.no_grad():
        network(images)
    if not units:
        raise PredictorError("NASWOT counts ReLU units and this network has none. Use synflow.")
    return float(torch.linalg.slogdet(kernel)[1])


def synflow(module: nn.Module, in_shape: Sequence[int]) -> float:
    """Return the sum over parameters of |w * dR/dw| for the absolute network.

    R is the sum of outputs for an image of ones after every parameter was replaced by its
    absolute value (Tanaka et al. 2020, arXiv:2006.05467, section 6). Computed in double
    precision in evaluation mode, without data.

    Args:
        module: Any network.
        in_shape: Of one input, without the batch dimension.
    """
    import torch

    absolute = copy.deepcopy(module).double().eval()
    with torch.no_grad():
        for parameter in absolute.parameters():
            parameter.abs_()
    ones = torch.ones(1, *in_shape, dtype=torch.float64)
    return _total(saliencies(absolute, ones))


def prenas(module: nn.Module, images: torch.Tensor) -> float:
    """Return PreNAS's score: the sum over parameters of |w * g| (Wang et al. 2023, ICML).

    g is the gradient of the sum of all outputs. Its authors draw 64 Gaussian images and
    normalise the score of a block by the block's |w| and |g|; this is the score of a network.

    Args:
        module: Of the initialised network, in the mode in which it is to run.
        images: [n, C, H, W].
    """
    return _total(saliencies(copy.deepcopy(module), images))


def zen_score(
    module: nn.Module, images: torch.Tensor, *, step: float = 0.01, seed: int = 0
) -> float:
    """Return the Zen-score of a network (Lin et al. 2021, arXiv:2102.01063, algorithm 1).

        log mean |f(x + step * e) - f(x)|_F  +  sum over batch norms of log s

    e is Gaussian noise. s is the root of the variance of a batch norm's input for x, averaged
    over channels: it puts back the scale that batch norm takes away. Batch norms use the
    statistics of the batch. Weights of convolutions and linear layers are drawn from N(0, 1),
    layer after layer and then e, in double precision on the CPU.

    Args:
        module: f. The authors take what comes before the global average pool, and remove
            shortcuts; here all of the module counts, so leave out what is not to count.
        images: x, [n, C, H, W]; the authors draw them from N(0, 1).
        step: How far the noise goes.
        seed: Of the weights and the noise.

    Returns:
        -inf when the output does not depend on the images.
    """
    import torch
    from torch import nn

    generator = torch.Generator().manual_seed(seed)
    network = copy.deepcopy(module).cpu().double().train()
    spreads: list[float] = []

    def keep_spread(layer: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        channels = inputs[0].transpose(0, 1).flatten(1)
        spreads.append(float(channels.var(dim=1, correction=0).mean().sqrt()))

    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.normal_(layer.weight, generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm2d):
            layer.reset_parameters()
            layer.register_forward_pre_hook(keep_spread)
    x = images.detach().cpu().double()
    noise = torch.randn(x.shape, generator=generator, dtype=x.dtype)
    with torch.no_grad():
        before = network(x)
        factors = list(spreads)
        change = (network(x + step * noise) - before).flatten(1).norm(dim=1).mean()
    return sum(_log(factor) for factor in [float(change), *factors])


def _log(value: float) -> float:
    return math.log(value) if value > 0 else -math.inf


def saliencies(module: nn.Module, *inputs: Any) -> dict[str, torch.Tensor]:
    """Return |w * g| of every trainable parameter by name, g the gradient of the sum of outputs.

    The parts of it that a subnet keeps of a supernet are the subnet's share of the score. In
    training mode running statistics of batch norm move: give a copy where they matter.

    Args:
        module: In the mode in which it is to run.
        inputs: Arguments of its forward.

    Returns:
        Tensors of the shapes of the parameters; those that the output does not depend on are
        left out.
    """
    import torch

    weights = {name: p for name, p in module.named_parameters() if p.requires_grad}
    with torch.enable_grad():
        total = module(*inputs).sum()
        gradients = torch.autograd.grad(total, list(weights.values()), allow_unused=True)
    return {
        name: (weight.detach() * gradient).abs()
        for (name, weight), gradient in zip(weights.items(), gradients, strict=True)
        if gradient is not None
    }


def _total(scores: dict[str, torch.Tensor]) -> float:
    return float(sum(score.sum() for score in scores.values()))


def deepmad_entropy(
    space: SearchSpace,
    architecture: Architecture,
    *,
    stage_weights: Sequence[float] = (1.0, 1.0, 1.0, 1.0, 8.0),
) -> float:
    """Return DeepMAD's multi-scale entropy (Shen et al. 2023, arXiv:2303.02165, section 4).

        H_s = ln(r_s^2 c_s) * sum_{i <= s} ln(c_i k_i^2 / g_i)        sum_s weight_s H_s

    over the convolutions of the main path: shortcuts and the inside of squeeze-and-excitation
    are left out. A stage ends where the next convolution has a stride. The authors' program
    takes the logarithm of a square root, and so reports half of this number.

    Args:
        space: The space.
        architecture: One of its architectures.
        stage_weights: For the stages from the end backwards: the last stage has the last.
    """
    entropies: list[float] = []
    total, last = 0.0, None
    for layer in _main_path(space, architecture):
        if layer.stride > 1 and last is not None:
            entropies.append(_scale(last) * total)
        total += math.log(layer.in_shape[0] * layer.kernel**2 / layer.groups)
        last = layer
    if last is None:
        raise PredictorError(f"An architecture of {space.name!r} has no convolutions.")
    entropies.append(_scale(last) * total)
    count = min(len(entropies), len(stage_weights))
    return float(np.dot(entropies[-count:], list(stage_weights)[-count:]))


def _scale(layer: Layer) -> float:
    channels, height, width = layer.out_shape
    return math.log(height * width * channels)


def _main_path(space: SearchSpace, architecture: Architecture) -> list[Layer]:
    """Return the convolutions on each block's main path, in order, of more than one pixel."""
    found = []
    for block in space.blocks(architecture).values():
        layers = layers_of(block) if block is not None else ()
        for position in _longest_path(layers):
            layer = layers[position]
            pixels = layer.in_shape[-1] > 1
            if layer.op == "conv2d" and pixels:
                found.append(layer)
    return found


def _longest_path(layers: Sequence[Layer]) -> list[int]:
    """Return the positions of the path to the last layer with most convolutions."""
    paths: list[list[int]] = []
    for position, layer in enumerate(layers):
        before = [paths[source] for source in layer.inputs if source >= 0] or [[]]
        most = max(before, key=lambda path: sum(layers[p].op == "conv2d" for p in path))
        paths.append([*most, position])
    return paths[-1] if paths else []
