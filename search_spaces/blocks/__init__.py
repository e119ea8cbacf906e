"""Block families, torch-free: shapes and primitive layers; one file for each family."""

from __future__ import annotations

from search_spaces.blocks.bottleneck import Bottleneck, MaxPool
from search_spaces.blocks.cell import AvgPool, NodeSum, Zero
from search_spaces.blocks.conv import Conv
from search_spaces.blocks.general import (
    Concat,
    GeneralConv,
    GeneralLinear,
    GeneralPool,
    Join,
    Pointwise,
    Reshape,
)
from search_spaces.blocks.head import Head
from search_spaces.blocks.layers import INPUT, VIEWS, Layer, Shape, Tape, conv_hw, inputs_read
from search_spaces.blocks.mbconv import MBConv
from search_spaces.blocks.preact import NormAct, PreActConv, PreActResidual
from search_spaces.blocks.shuffle import ShuffleV2, ShuffleXception
from search_spaces.blocks.spec import BlockSpec, block_family, block_from_json, layers_of
from search_spaces.blocks.tokens import TokenTape
from search_spaces.blocks.transformer import PatchEmbed, TokenHead, TransformerLayer
from search_spaces.blocks.window import Window

__all__ = [
    "INPUT",
    "VIEWS",
    "AvgPool",
    "BlockSpec",
    "Bottleneck",
    "Concat",
    "Conv",
    "GeneralConv",
    "GeneralLinear",
    "GeneralPool",
    "Head",
    "Join",
    "Layer",
    "MBConv",
    "MaxPool",
    "NodeSum",
    "NormAct",
    "PatchEmbed",
    "Pointwise",
    "PreActConv",
    "PreActResidual",
    "Reshape",
    "Shape",
    "ShuffleV2",
    "ShuffleXception",
    "Tape",
    "TokenHead",
    "TokenTape",
    "TransformerLayer",
    "Window",
    "Zero",
    "block_family",
    "block_from_json",
    "conv_hw",
    "inputs_read",
    "layers_of",
]
