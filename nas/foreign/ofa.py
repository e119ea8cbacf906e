"""Names of once-for-all's MobileNetV3 supernets (mit-han-lab/once-for-all, OFAMobileNetV3).

Blocks are numbered through all stages, the fixed first one being 0. Two spellings are in use:
elastic layers wrap torch's (``conv.conv.weight``, ``bn.bn.bias``), and a block's layers are
under ``mobile_inverted_conv`` in the published files, under ``conv`` in the current code.
Both become one here. Kernel transforms are matrices [k*k, k*k], which we keep as [k, k, k, k];
the hidden layer of the head is a 1x1 convolution there and linear here. Nothing else differs:
leading channels, first blocks of a stage, and batch norm's eps of 1e-5 are the same.
"""

from __future__ import annotations

import re

from nas.errors import CheckpointError
from nas.foreign.state import Origin, State
from search_spaces.supernet import Supernet

__all__ = ["SPACES", "normalise", "origins"]

SPACES = ("ofa_mobilenet_v3",)

_BLOCKS_IN_STAGE = 4
_LAYERS = {
    "stem": "first_conv",
    "first": "blocks.0",
    "final": "final_expand_layer",
    "head.hidden": "feature_mix_layer.conv",
    "head.classifier": "classifier.linear",
}
_PARTS = {
    "expand": "conv.inverted_bottleneck",
    "depthwise": "conv.depth_conv",
    "se": "conv.depth_conv.se.fc",
    "project": "conv.point_linear",
}
_STAGE = re.compile(r"stage(\d+)_(\d+)")
_TRANSFORM = re.compile(r"transform_(\d+)_(\d+)")


def normalise(state: State) -> State:
    """Return the state dict with the names of both spellings made one.

    Raises:
        CheckpointError: Two tensors get the same name.
    """
    renamed: State = {}
    for name, tensor in state.items():
        new = name.replace(".mobile_inverted_conv.", ".conv.")
        for layer in ("conv", "bn", "linear"):
            new = new.replace(f".{layer}.{layer}.", f".{layer}.")
        if new in renamed:
            raise CheckpointError(
                f"The checkpoint holds {name!r} twice, in two spellings. Keep one of them."
            )
        renamed[new] = tensor
    return renamed


def origins(supernet: Supernet) -> dict[str, Origin]:
    """Return for every tensor of the supernet its normalised name and shape in the checkpoint."""
    return {
        name: _origin(name.removeprefix("blocks."), tuple(tensor.shape))
        for name, tensor in supernet.state_dict().items()
    }


def _origin(name: str, shape: tuple[int, ...]) -> Origin:
    if transform := _TRANSFORM.search(name):
        larger, k = transform.groups()
        layer = name[: transform.start()]
        return Origin(f"{_foreign(layer)}{larger}to{k}_matrix", (int(k) ** 2,) * 2)
    if name.startswith("head.hidden."):
        shape = (*shape, 1, 1)
    return Origin(_foreign(name), shape)


def _foreign(name: str) -> str:
    """Return our name with slot and part spelt as there."""
    for ours, theirs in _LAYERS.items():
        if name.startswith(f"{ours}."):
            rest = name.removeprefix(f"{ours}.")
            return f"{theirs}.{_part(rest)}" if ours == "first" else f"{theirs}.{rest}"
    stage = _STAGE.match(name)
    assert stage is not None, name
    s, b = (int(number) for number in stage.groups())
    return f"blocks.{1 + _BLOCKS_IN_STAGE * (s - 1) + b}.{_part(name[stage.end() + 1 :])}"


def _part(name: str) -> str:
    part, _, rest = name.partition(".")
    return f"{_PARTS[part]}.{rest}"
