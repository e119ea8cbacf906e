"""Names of once-for-all's supernets (mit-han-lab/once-for-all): MobileNetV3, ProxylessNAS, ResNet.

Nothing but names and some shapes differs: leading channels, first blocks of a stage, and batch
norm's eps, which is 1e-3 in ProxylessNAS and 1e-5 in the others, are the same.
"""

from __future__ import annotations

from collections.abc import Mapping

from nas.foreign.names import MBCONV, Spelling
from nas.foreign.state import Origin
from search_spaces.supernet import Supernet

__all__ = ["SPACES", "origins"]

_BOTTLENECK = {"reduce": "conv1", "square": "conv2", "expand": "conv3", "skip": "downsample"}
_SPELLINGS: Mapping[str, Spelling] = {
    "ofa_mobilenet_v3": Spelling(
        {
            "stem": "first_conv",
            "final": "final_expand_layer",
            "head.hidden": "feature_mix_layer.conv",
            "head.classifier": "classifier.linear",
        },
        MBCONV,
    ),
    "ofa_proxyless": Spelling(
        {
            "stem": "first_conv",
            "final": "feature_mix_layer",
            "head.classifier": "classifier.linear",
        },
        MBCONV,
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


def origins(supernet: Supernet) -> dict[str, Origin]:
    """Return for every tensor of the supernet its name and shape after `names.unwrapped`."""
    return _SPELLINGS[supernet.space.name].origins(supernet)
