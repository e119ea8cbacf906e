"""Names of AutoFormer's supernets (microsoft/Cream, AutoFormer: supernet-T, -S and -B).

Queries, keys and values are one tensor there, their rows interleaved: query 0, key 0, value 0,
query 1 and so on. Fewer heads take leading rows of each, as here, but a plain prefix of the one
vector of biases (its issue 121); weights were trained with that, so the space must do the same:
``prefix_bias``. A supernet's tensors are somewhat wider than the widest subnet needs (256 for
240, 640 for 624): tokens have as many features as the most heads together.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from nas.errors import ConfigError
from nas.foreign.state import Origin
from search_spaces import SearchSpace
from search_spaces.blocks import PatchEmbed, TokenHead, TransformerLayer
from search_spaces.supernet import Supernet

__all__ = ["SPACES", "origins"]

SPACES = ("autoformer",)

_LAYER = re.compile(r"layer(\d+)\.(.*)")

# Of every tensor their name and what its dimensions are; see `_dimensions`.
_OUTSIDE: Mapping[str, tuple[str, str]] = {
    "embed.project.weight": ("patch_embed_super.proj.weight", "token channel side side"),
    "embed.project.bias": ("patch_embed_super.proj.bias", "token"),
    "embed.class_token.weight": ("cls_token", "one one token"),
    "embed.position.weight": ("pos_embed", "one place token"),
    "head.norm.weight": ("norm.weight", "token"),
    "head.norm.bias": ("norm.bias", "token"),
    "head.classifier.weight": ("head.weight", "class token"),
    "head.classifier.bias": ("head.bias", "class"),
}
_INSIDE: Mapping[str, tuple[str, str]] = {
    "q.weight": ("attn.qkv.weight", "query token"),
    "k.weight": ("attn.qkv.weight", "key token"),
    "v.weight": ("attn.qkv.weight", "value token"),
    "qkv_bias": ("attn.qkv.bias", "qkv"),
    "position_k.vertical.weight": ("attn.rel_pos_embed_k.embeddings_table_v", "row head"),
    "position_k.horizontal.weight": ("attn.rel_pos_embed_k.embeddings_table_h", "row head"),
    "position_v.vertical.weight": ("attn.rel_pos_embed_v.embeddings_table_v", "row head"),
    "position_v.horizontal.weight": ("attn.rel_pos_embed_v.embeddings_table_h", "row head"),
    "project.weight": ("attn.proj.weight", "token heads"),
    "project.bias": ("attn.proj.bias", "token"),
    "norm_1.weight": ("attn_layer_norm.weight", "token"),
    "norm_1.bias": ("attn_layer_norm.bias", "token"),
    "norm_2.weight": ("ffn_layer_norm.weight", "token"),
    "norm_2.bias": ("ffn_layer_norm.bias", "token"),
    "expand.weight": ("fc1.weight", "hidden token"),
    "expand.bias": ("fc1.bias", "hidden"),
    "reduce.weight": ("fc2.weight", "token hidden"),
    "reduce.bias": ("fc2.bias", "token"),
}


def origins(supernet: Supernet) -> dict[str, Origin]:
    """Return for every tensor of the supernet where it is found.

    Raises:
        ConfigError: The space has biases by head, or tokens wider than all heads together.
    """
    dimensions = _dimensions(supernet.space)
    found = {}
    for name in supernet.state_dict():
        ours, before = name.removeprefix("blocks."), ""
        table = _OUTSIDE
        if layer := _LAYER.fullmatch(ours):
            number, ours = layer.groups()
            table, before = _INSIDE, f"blocks.{int(number) - 1}."
        theirs, words = table[ours]
        shape, region = zip(*(dimensions[word] for word in words.split()), strict=True)
        found[name] = Origin(f"{before}{theirs}", shape, region)
    return found


def _dimensions(space: SearchSpace) -> dict[str, tuple[int, slice]]:
    """Return by its name the size of a dimension in their tensors, and which part is ours.

    Raises:
        ConfigError: See `origins`.
    """
    patches = [b for b in space.slot_blocks("embed") if isinstance(b, PatchEmbed)]
    layers = [b for b in space.slot_blocks("layer1") if isinstance(b, TransformerLayer)]
    heads = [b for b in space.slot_blocks("head") if isinstance(b, TokenHead)]
    ratios = next(c.options for c in space.choices if c.name == "mlp_ratio_1")
    first, token, hidden = layers[0], max(b.cin for b in layers), max(b.mid for b in layers)
    wide = first.head_dim * max(b.heads for b in layers)
    if not first.prefix_bias:
        raise ConfigError(
            "AutoFormer's weights were trained with one vector of biases for queries, keys and "
            f"values, of which fewer heads take a prefix; the space {space.name!r} has biases by "
            "head. Give it the option prefix_bias = true (--option prefix_bias=true)."
        )
    if token > wide:
        raise ConfigError(
            f"Tokens of AutoFormer's supernets are as wide as all heads together, {wide} with "
            f"the most heads of this space; its embed_dims go up to {token}. Keep the published "
            "options."
        )
    whole = {
        "one": 1,
        "channel": patches[0].cin,
        "side": patches[0].patch,
        "place": first.tokens,
        "class": heads[0].classes,
        "row": 2 * first.distance + 2,
        "head": first.head_dim,
        "heads": wide,
        "qkv": 3 * wide,
    }
    interleaved = {
        word: (3 * wide, slice(start, None, 3))
        for start, word in enumerate(("query", "key", "value"))
    }
    return {
        **{word: (size, slice(None)) for word, size in whole.items()},
        **interleaved,
        "token": (wide, slice(token)),
        "hidden": (int(wide * max(float(ratio) for ratio in ratios)), slice(hidden)),
    }
