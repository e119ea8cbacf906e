"""Block families, torch-free: shapes and primitive layers; one file for each family."""

from __future__ import annotations

from search_spaces.blocks.average import Average
from search_spaces.blocks.bottleneck import Bottleneck, MaxPool
from search_spaces.blocks.cell import Activation, AvgPool, Concat, NodeSum, Select, Zero
from search_spaces.blocks.conv import Conv
from search_spaces.blocks.fused import FusedMBConv
from search_spaces.blocks.general import (
    GeneralConcat,
    GeneralConv,
    GeneralJoin,
    GeneralLinear,
    GeneralPool,
    Pointwise,
    Reshape,
)
from search_spaces.blocks.ghost import Ghost, GhostBottleneck
from search_spaces.blocks.head import Head
from search_spaces.blocks.layers import (
    INPUT,
    VIEWS,
    Layer,
    Shape,
    Tape,
    conv_hw,
    inputs_read,
)
from search_spaces.blocks.lsconv import LSConv
from search_spaces.blocks.map_attention import MapAttention
from search_spaces.blocks.mbconv import MBConv
from search_spaces.blocks.mixers import ChannelMixer, DepthwiseMixer
from search_spaces.blocks.partial import PartialConvBlock
from search_spaces.blocks.preact import NormAct, PreActConv, PreActResidual
from search_spaces.blocks.private import (
    ATTENTION_KINDS,
    PRIVATE_ACTIVATIONS,
    PrivateAttention,
    PrivateMlp,
)
from search_spaces.blocks.rectified import (
    GRANULARITIES,
    RESTS,
    RectifiedConv,
    RectifiedSum,
)
from search_spaces.blocks.reduction import SpatialReduction
from search_spaces.blocks.separable import AsymmetricConv, FactorizedReduce, SeparableConv
from search_spaces.blocks.shuffle import ShuffleV2, ShuffleXception
from search_spaces.blocks.spec import (
    BlockSpec,
    block_family,
    block_from_json,
    layers_of,
    passed_on,
)
from search_spaces.blocks.tokens import TokenTape
from search_spaces.blocks.transformer import PatchEmbed, TokenHead, TransformerLayer
from search_spaces.blocks.window import Window

__all__ = [
    "ATTENTION_KINDS",
    "GRANULARITIES",
    "INPUT",
    "PRIVATE_ACTIVATIONS",
    "RESTS",
    "VIEWS",
    "Activation",
    "AsymmetricConv",
    "Average",
    "AvgPool",
    "BlockSpec",
    "Bottleneck",
    "ChannelMixer",
    "Concat",
    "Conv",
    "DepthwiseMixer",
    "FactorizedReduce",
    "FusedMBConv",
    "GeneralConcat",
    "GeneralConv",
    "GeneralJoin",
    "GeneralLinear",
    "GeneralPool",
    "Ghost",
    "GhostBottleneck",
    "Head",
    "LSConv",
    "Layer",
    "MBConv",
    "MapAttention",
    "MaxPool",
    "NodeSum",
    "NormAct",
    "PartialConvBlock",
    "PatchEmbed",
    "Pointwise",
    "PreActConv",
    "PreActResidual",
    "PrivateAttention",
    "PrivateMlp",
    "RectifiedConv",
    "RectifiedSum",
    "Reshape",
    "Select",
    "SeparableConv",
    "Shape",
    "ShuffleV2",
    "ShuffleXception",
    "SpatialReduction",
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
    "passed_on",
]
