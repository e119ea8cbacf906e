"""Vision transformers for private inference (MPCViT, Zeng et al. 2023, arXiv:2211.13955).

Every head chooses its kind of attention and every layer its activation; costs of private
inference (`predictors.mpc`) tell the choices apart, multiply-accumulates do not.
"""

from __future__ import annotations

from collections.abc import Sequence

from search_spaces.arguments import require_positive, require_shares
from search_spaces.blocks import (
    ATTENTION_KINDS,
    PRIVATE_ACTIVATIONS,
    PatchEmbed,
    PrivateAttention,
    PrivateMlp,
    TokenHead,
)
from search_spaces.builder import SpaceBuilder
from search_spaces.errors import SpaceError
from search_spaces.registry import register_space
from search_spaces.space import SearchSpace

__all__ = ["mpc_vit"]

_LARGEST_TABLE = 8192


@register_space("mpc_vit")
def mpc_vit(
    classes: int = 10,
    resolution: int = 32,
    patch: int = 4,
    channels: int = 3,
    dim: int = 256,
    heads: Sequence[int] = (4,),
    depths: Sequence[int] = (7,),
    mlp_ratios: Sequence[float] = (2.0,),
    attention: Sequence[str] = ATTENTION_KINDS,
    activations: Sequence[str] = PRIVATE_ACTIVATIONS,
    token_shares: Sequence[float] = (1.0,),
) -> SearchSpace:
    """MPCViT (Zeng et al. 2023): a kind of attention for each head, an activation for each layer.

    The defaults are the published shape for CIFAR. That for Tiny-ImageNet is ``classes=200,
    resolution=64, dim=192, heads=(12,), depths=(9,)`` with ``attention=("relu_softmax",
    "scale_attention")``, the paper's two kinds: a layer's cost table has a row for every
    combination of its heads' kinds, so four kinds of twelve heads would be 16.8 million.

    Args:
        classes: Outputs.
        resolution: Input height = width, a multiple of ``patch``.
        patch: Height = width of a patch.
        channels: Of the image.
        dim: Features of a token, a multiple of the largest number of heads.
        heads: Of the attention of a layer, ``dim / max(heads)`` features each.
        depths: Numbers of layers.
        mlp_ratios: Features inside the perceptron over ``dim``.
        attention: Kinds that a head may choose.
        activations: That a layer may choose; "linear" is none.
        token_shares: Of a layer's tokens that its activation acts on (MPCViT+), each from 0 to
            1; the others pass it. A share above zero keeps at least one token. Which tokens is
            no choice but a mask that is trained and stored with the weights: all masks that
            keep as many cost the same.

    Raises:
        SpaceError: A number or a name is impossible, or heads have too many combinations.
    """
    require_positive(classes=classes, resolution=resolution, patch=patch, channels=channels)
    require_positive(dim=dim, heads=heads, depths=depths, mlp_ratios=mlp_ratios)
    require_shares(token_shares=token_shares)
    most = max(heads)
    if dim % most:
        raise SpaceError(f"{most} heads do not divide dim = {dim}; choose a multiple of {most}.")
    rows = len(heads) * len(depths) * len(attention) ** most
    if rows > _LARGEST_TABLE:
        raise SpaceError(
            f"{most} heads of {len(attention)} kinds are {rows:,} combinations in a layer, more "
            f"than {_LARGEST_TABLE:,}. Choose fewer kinds: attention=('relu_softmax', "
            "'scale_attention') has 4,096 for 12 heads."
        )
    tokens = PatchEmbed(channels, 1, resolution, patch).out_shape[0]
    builder = SpaceBuilder("mpc_vit")
    depth = builder.choice("depth", depths)
    builder.slot("embed", block=lambda: PatchEmbed(channels, dim, resolution, patch))
    for layer in range(1, max(depths) + 1):
        h = builder.choice(f"heads_{layer}", heads)
        kinds = [
            builder.choice(f"attention_{layer}_{head}", attention) for head in range(1, most + 1)
        ]
        builder.slot(
            f"attention{layer}",
            reads=(depth, h, *kinds),
            block=lambda d, h, *kinds, layer=layer: (
                PrivateAttention(dim, " ".join(kinds[:h]), tokens, dim // most)
                if layer <= d
                else None
            ),
        )
        ratio = builder.choice(f"mlp_ratio_{layer}", mlp_ratios)
        act = builder.choice(f"act_{layer}", activations)
        # A space in which all tokens keep their activation has no such choice: architectures
        # that were stored before there was one can be read.
        shares = () if set(token_shares) == {1.0} else (token_shares,)
        kept = [builder.choice(f"kept_{layer}", options) for options in shares]
        builder.slot(
            f"mlp{layer}",
            reads=(depth, ratio, act, *kept),
            block=lambda d, r, act, share=1.0, layer=layer: (
                _perceptron(dim, int(dim * r), tokens, act, share) if layer <= d else None
            ),
        )
    builder.slot("head", block=lambda: TokenHead(dim, classes, tokens))
    return builder.build()


def _perceptron(dim: int, mid: int, tokens: int, act: str, share: float) -> PrivateMlp:
    """Return a block whose activation acts on a share; without any token it is linear."""
    kept = max(round(share * tokens), 1 if share else 0)
    if act == "linear" or not kept:
        return PrivateMlp(dim, mid, tokens, "linear")
    return PrivateMlp(dim, mid, tokens, act, passed=tokens - kept)
