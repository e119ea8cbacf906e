"""Names of AttentiveNAS's and AlphaNet's supernets, which share one class and one space.

Their blocks are once-for-all's without kernel transforms: one kernel, cropped at its centre.
Every block has a 1x1 convolution in its shortcut, but only where a stage begins can channels
differ, so the others are never read; nor are the statistics of the largest and the smallest
subnet beside every batch norm. Published statistics are those of fresh layers: recalibrate.
"""

from __future__ import annotations

import re

from nas.foreign.names import MBCONV, Spelling, block_numbers, unwrapped
from nas.foreign.state import Origin, State
from search_spaces.supernet import Supernet

__all__ = ["SPACES", "normalise", "origins", "unused"]

SPACES = ("attentive_nas",)

_SPELLING = Spelling(
    {
        "stem": "first_conv",
        "final": "last_conv.final_expand_layer",
        "head.hidden": "last_conv.feature_mix_layer.conv",
        "head.classifier": "classifier.linear",
    },
    {**MBCONV, "skip": "shortcut.conv"},
)
_TRACKED = re.compile(r"\.bn_tracking\.\d+\.")


def normalise(state: State) -> State:
    """Return the state dict without statistics of single subnets, in one spelling.

    Raises:
        CheckpointError: Two tensors get the same name.
    """
    return unwrapped({n: tensor for n, tensor in state.items() if not _TRACKED.search(n)})


def origins(supernet: Supernet) -> dict[str, Origin]:
    """Return for every tensor of the supernet its name and shape after `normalise`."""
    return _SPELLING.origins(supernet)


def unused(supernet: Supernet) -> set[str]:
    """Return the names of the shortcuts' convolutions that no subnet reads."""
    read = {origin.name for origin in origins(supernet).values()}
    shortcuts = {f"blocks.{n}.shortcut.conv.weight" for n in block_numbers(supernet).values()}
    return shortcuts - read
