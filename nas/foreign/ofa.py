"""Names of once-for-all's supernets (mit-han-lab/once-for-all): MobileNetV3, ProxylessNAS, ResNet.

Kernel transforms are matrices [k*k, k*k], which we keep as [k, k, k, k]; the hidden layer of
MobileNetV3's head is a 1x1 convolution there and linear here. Nothing else differs: leading
channels, first blocks of a stage, and batch norm's eps, which is 1e-3 in ProxylessNAS and 1e-5
in the others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from nas.foreign.names import Spelling, block_numbers
from nas.foreign.state import Origin
from search_spaces.supernet import Supernet

__all__ = ["SPACES", "origins"]

_MBCONV = {
    "expand": "conv.inverted_bottleneck",
    "depthwise": "conv.depth_conv",
    "se": "conv.depth_conv.se.fc",
    "project": "conv.point_linear",
}
_BOTTLENECK = {"reduce": "conv1", "square": "conv2", "expand": "conv3", "skip": "downsample"}
_SPELLINGS: Mapping[str, Spelling] = {
    "ofa_mobilenet_v3": Spelling(
        {
            "stem": "first_conv",
            "final": "final_expand_layer",
            "head.hidden": "feature_mix_layer.conv",
            "head.classifier": "classifier.linear",
        },
        _MBCONV,
    ),
    "ofa_proxyless": Spelling(
        {
            "stem": "first_conv",
            "final": "feature_mix_layer",
            "head.classifier": "classifier.linear",
        },
        _MBCONV,
    ),
    "ofa_resnet50": Spelling(
        {
            "stem": "input_stem.0",
            "stem_residual": "input_stem.1.conv",
            "stem_out": "input_stem.2",
            "head.classifier": "classifier.linear",
        },
        _BOTTLENECK,
    ),
}
SPACES = tuple(_SPELLINGS)

_TRANSFORM = re.compile(r"transform_(\d+)_(\d+)")


def origins(supernet: Supernet) -> dict[str, Origin]:
    """Return for every tensor of the supernet its name and shape after `names.unwrapped`."""
    spelling, numbers = _SPELLINGS[supernet.space.name], block_numbers(supernet)
    found = {}
    for name, tensor in supernet.state_dict().items():
        theirs, shape = spelling.of(name, numbers), tuple(tensor.shape)
        if transform := _TRANSFORM.search(theirs):
            larger, k = transform.groups()
            theirs, shape = _TRANSFORM.sub(f"{larger}to{k}_matrix", theirs), (int(k) ** 2,) * 2
        elif theirs == "feature_mix_layer.conv.weight" and len(shape) == 2:
            shape = (*shape, 1, 1)
        found[name] = Origin(theirs, shape)
    return found
