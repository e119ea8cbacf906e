"""Block families in torch: the plain module and its elastic twin side by side.

One file for each family, as in `search_spaces.blocks`. Importing this package imports torch.
"""

from __future__ import annotations

from search_spaces.modules import (
    bottleneck,
    cell,
    conv,
    fused,
    general,
    ghost,
    head,
    lsconv,
    map_attention,
    mbconv,
    mixers,
    partial,
    preact,
    private,
    rectified,
    reduction,
    separable,
    shuffle,
    transformer,
)
from search_spaces.modules.block import ElasticBlock, build_block, build_elastic, register_modules
from search_spaces.modules.elastic import Elastic, Region
from search_spaces.modules.network import Subnet

__all__ = [
    "Elastic",
    "ElasticBlock",
    "Region",
    "Subnet",
    "bottleneck",
    "build_block",
    "build_elastic",
    "cell",
    "conv",
    "fused",
    "general",
    "ghost",
    "head",
    "lsconv",
    "map_attention",
    "mbconv",
    "mixers",
    "partial",
    "preact",
    "private",
    "rectified",
    "reduction",
    "register_modules",
    "separable",
    "shuffle",
    "transformer",
]
