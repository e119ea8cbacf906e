"""Layers on tokens: shapes, multiply-accumulates and parameters by hand."""

from __future__ import annotations

import pytest

from predictors import Macs, Params, PeakMemory
from search_spaces import SpaceError
from search_spaces.blocks import (
    INPUT,
    PatchEmbed,
    SpatialReduction,
    TokenHead,
    TokenTape,
    TransformerLayer,
)


def test_patches_and_their_positions() -> None:
    block = PatchEmbed(3, 8, 12, patch=4)
    assert (block.tokens, block.out_shape) == (10, (10, 8))
    assert Macs()(block) == 9 * 8 * 48
    assert Params()(block) == 8 * 48 + 8 + 8 + 10 * 8


def test_transformer_layer() -> None:
    block = TransformerLayer(12, 3, 20, 10, head_dim=4, distance=2)
    assert block.in_shape == block.out_shape == (10, 12)
    linear = 3 * 12 * 12 + 12 * 12 + 2 * 12 * 20
    attention, relative = 2 * 3 * 10 * 10 * 4, 2 * 3 * 10 * 10 * 4
    assert Macs()(block) == 10 * linear + attention + relative
    biases, norms, tables = 4 * 12 + 20 + 12, 2 * 2 * 12, 2 * 2 * 6 * 4
    assert Params()(block) == linear + biases + norms + tables


def test_transformer_layer_without_relative_positions() -> None:
    block = TransformerLayer(12, 3, 20, 10, head_dim=4, relative=False)
    relative = TransformerLayer(12, 3, 20, 10, head_dim=4)
    assert Macs()(relative) - Macs()(block) == 2 * 3 * 10 * 10 * 4
    assert Params()(relative) - Params()(block) == 2 * 2 * (2 * 14 + 2) * 4
    shared = TransformerLayer(12, 3, 20, 10, head_dim=4, prefix_bias=True)
    assert shared == relative, "how a supernet shares biases is no part of what the block is"


def test_spatial_reduction() -> None:
    block = SpatialReduction(8, 12, 17)
    assert (block.in_shape, block.out_shape) == ((17, 8), (5, 12))
    assert Macs()(block) == 4 * 12 * 8 * 9 + 8 * 12
    norm, conv, token, positions = 16, 12 * 8 * 9 + 12, 8 * 12 + 12, 4 * 12
    assert Params()(block) == norm + conv + token + positions


def test_memory_of_a_transformer_layer_of_many_tokens_is_its_attention() -> None:
    """Scores and relative scores at once, with queries, values and the tokens kept."""
    block = TransformerLayer(4, 2, 4, 101, head_dim=2)
    scores, tokens = 2 * 101 * 101, 101 * 4
    assert PeakMemory(bytes_per_element=1)(block) == 2 * scores + 3 * tokens


def test_token_head() -> None:
    block = TokenHead(8, 5, 10)
    assert (block.in_shape, block.out_shape) == ((10, 8), (5,))
    assert (Macs()(block), Params()(block)) == (40, 45 + 16)
    assert block == TokenHead(8, 5, 10, dropout=0.5)
    first = TokenHead(8, 5, 10, pool="class")
    assert (first.out_shape, Macs()(first), Params()(first)) == ((5,), 40, 45 + 16)


def test_impossible_layers_say_why() -> None:
    tape = TokenTape((5, 6))
    with pytest.raises(SpaceError, match="4 heads do not divide 6 features"):
        tape.split_heads(INPUT, 4)
    x = tape.split_heads(INPUT, 2)
    with pytest.raises(SpaceError, match="cannot be multiplied"):
        tape.matmul(x, x)
    with pytest.raises(SpaceError, match="do not tile"):
        PatchEmbed(3, 8, 10, patch=4).layers()
    with pytest.raises(SpaceError, match=r"12 tokens are no square.*10 and 17"):
        SpatialReduction(4, 8, 12).layers()
    with pytest.raises(SpaceError, match="8 features cannot be padded to 4"):
        SpatialReduction(8, 4, 17).layers()
    with pytest.raises(SpaceError, match=r"pool must be one of \['mean', 'class'\], got 'max'"):
        TokenHead(8, 5, 10, pool="max").layers()
