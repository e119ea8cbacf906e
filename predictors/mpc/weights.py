"""Weights of a torch network in the form that the engine takes, folded as the program says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from predictors.errors import TableError
from predictors.latency.graph import PlacedBlock
from predictors.mpc.program import takers
from search_spaces.blocks import Layer, layers_of

if TYPE_CHECKING:
    from torch import nn

__all__ = ["image_array", "network_arrays"]

_Arrays = dict[str, NDArray[np.float64]]


def image_array(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return an image (C, H, W) in the engine's layout (H, W, C)."""
    return np.ascontiguousarray(np.transpose(image, (1, 2, 0)), dtype=np.float32)


def network_arrays(
    network: Sequence[PlacedBlock], modules: Sequence[nn.Module]
) -> dict[str, NDArray[np.float32]]:
    """Return the weights of a program, by the names that `program_of` gives them.

    Args:
        network: The placed blocks.
        modules: The plain module of each, in evaluation mode.

    Raises:
        TableError: A module's parameters are not those of its block's layers, in their order.
    """
    arrays: dict[str, NDArray[np.float32]] = {}
    for number, (placed, module) in enumerate(zip(network, modules, strict=True)):
        for key, value in _block_arrays(placed, module).items():
            arrays[f"{number}.{key}"] = np.ascontiguousarray(value, dtype=np.float32)
    return arrays


def _block_arrays(placed: PlacedBlock, module: nn.Module) -> _Arrays:
    """Return the weights of one block, by the position of their layer.

    Raises:
        TableError: See `network_arrays`.
    """
    layers = layers_of(placed.block)
    weighted = [i for i, layer in enumerate(layers) if layer.params]
    leaves = [child for child in module.modules() if any(True for _ in child.parameters(False))]
    sizes = [sum(p.numel() for p in leaf.parameters(recurse=False)) for leaf in leaves]
    if sizes != [layers[position].params for position in weighted]:
        raise TableError(
            f"The modules of {placed.block} do not hold the parameters of its layers in their "
            "order; this block cannot be run privately with its own weights."
        )
    arrays: _Arrays = _masks(layers, module)
    for position, leaf in zip(weighted, leaves, strict=True):
        plain = _plain(layers[position], leaf)
        arrays |= {f"{position}.{key}": value for key, value in plain.items()}
    for position in range(len(layers)):
        if taken := takers(layers, position):
            _fold(layers, position, taken, arrays)
    return arrays


def _masks(layers: Sequence[Layer], module: nn.Module) -> _Arrays:
    """Return the mask of every activation of some elements, 1 where it acts.

    Of a map they are (H, W, C); of tokens (tokens, features), equal along the features.

    Raises:
        TableError: A module keeps another number of elements than its spec says.
    """
    partial = [i for i, layer in enumerate(layers) if layer.kept]
    found = [buffer for name, buffer in module.named_buffers() if name.split(".")[-1] == "mask"]
    masks: _Arrays = {}
    for position, buffer in zip(partial, found, strict=True):
        mask = np.broadcast_to(buffer.detach().numpy(), layers[position].out_shape)
        if mask.sum() != layers[position].kept:
            raise TableError(
                f"A mask keeps {mask.sum()} elements where the architecture says "
                f"{layers[position].kept}. Masks are part of the weights: extract the network "
                "again from its supernet."
            )
        placed = np.moveaxis(mask, 0, -1) if mask.ndim == 3 else mask
        masks[f"{position}.mask"] = placed.astype(np.float64)
    return masks


def _plain(layer: Layer, leaf: nn.Module) -> _Arrays:
    """Return the weight and the bias of one layer in the engine's layout."""
    state = {name: tensor.detach().double().numpy() for name, tensor in leaf.state_dict().items()}
    if layer.op in ("polynomial", "relu_or_polynomial"):
        return {"weight": state["coefficients"]}
    weight = state["weight"]
    if layer.op == "conv2d":
        bias = state.get("bias", np.zeros(len(weight)))
        kernel = np.transpose(weight, (2, 3, 1, 0))
        if layer.groups > 1 and layer.groups == layer.in_shape[0]:
            kernel = _dense(kernel)
        return {"weight": kernel, "bias": bias}
    if layer.op in ("linear", "token_linear", "patches"):
        return {"weight": weight.T, "bias": state.get("bias", np.zeros(len(weight)))}
    if layer.op == "batch_norm":
        scale = weight / np.sqrt(state["running_var"] + leaf.eps)
        return {"weight": scale, "bias": state["bias"] - state["running_mean"] * scale}
    if layer.op == "layer_norm":
        return {"weight": weight, "bias": state["bias"]}
    return {"weight": weight[0] if layer.op == "class_token" else weight}


def _dense(kernel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Spread a depthwise kernel [k, k, 1, cout] out to a dense one [k, k, cin, cout]."""
    side, cout = kernel.shape[0], kernel.shape[-1]
    dense = np.zeros((side, side, cout, cout))
    channels = np.arange(cout)
    dense[:, :, channels, channels] = kernel[:, :, 0]
    return dense


def _fold(layers: Sequence[Layer], position: int, taken: Sequence[int], arrays: _Arrays) -> None:
    """Move scale and shift of one layer into the weights of those that take them over."""
    op = layers[position].op
    if op == "scale":
        factor = layers[position].in_shape[-1] ** -0.5
        for key in ("weight", "bias"):
            arrays[f"{taken[0]}.{key}"] = arrays[f"{taken[0]}.{key}"] * factor
        return
    scale, shift = arrays.pop(f"{position}.weight"), arrays.pop(f"{position}.bias")
    for taker in taken:
        weight, bias = arrays[f"{taker}.weight"], arrays[f"{taker}.bias"]
        if op == "batch_norm":
            arrays[f"{taker}.weight"], arrays[f"{taker}.bias"] = (
                weight * scale,
                bias * scale + shift,
            )
        else:
            arrays[f"{taker}.weight"] = weight * scale[:, None]
            arrays[f"{taker}.bias"] = bias + shift @ weight
