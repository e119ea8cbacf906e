"""AutoFormer's supernet as published: names and shapes of its state dict, and its forward.

Written from the published code (microsoft/Cream, AutoFormer, MIT), without a look at the
mapping under test: interleaved rows, prefixes of biases and tables are spelt out here again.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

HEAD, DISTANCE = 64, 14


@dataclass(frozen=True)
class Size:
    """What a supernet is built of: features, heads, perceptron ratio, layers, patches."""

    features: int
    heads: int
    ratio: float
    depth: int
    patch: int
    resolution: int
    classes: int


def shapes(size: Size) -> dict[str, tuple[int, ...]]:
    """Return the names with their shapes."""
    wide, hidden = size.features, int(size.features * size.ratio)
    tokens = (size.resolution // size.patch) ** 2 + 1
    found: dict[str, tuple[int, ...]] = {
        "pos_embed": (1, tokens, wide),
        "cls_token": (1, 1, wide),
        "patch_embed_super.proj.weight": (wide, 3, size.patch, size.patch),
        "patch_embed_super.proj.bias": (wide,),
    }

    def layer(name: str, cout: int, *cin: int) -> None:
        found[f"{name}.weight"] = (cout, *cin)
        found[f"{name}.bias"] = (cout,)

    for i in range(size.depth):
        layer(f"blocks.{i}.attn.qkv", 3 * wide, wide)
        for kind in "kv":
            for axis in "vh":
                table = f"blocks.{i}.attn.rel_pos_embed_{kind}.embeddings_table_{axis}"
                found[table] = (2 * DISTANCE + 2, wide // size.heads)
        layer(f"blocks.{i}.attn.proj", wide, wide)
        layer(f"blocks.{i}.attn_layer_norm", wide)
        layer(f"blocks.{i}.ffn_layer_norm", wide)
        layer(f"blocks.{i}.fc1", hidden, wide)
        layer(f"blocks.{i}.fc2", wide, hidden)
    layer("norm", wide)
    layer("head", size.classes, wide)
    return found


@dataclass(frozen=True)
class Reference:
    """The published forward, functional, of one state dict."""

    state: dict[str, Tensor]
    patch: int

    def __call__(self, x: Tensor, features: int, heads: list[int], ratios: list[float]) -> Tensor:
        """Return logits; heads and perceptron ratios are those of all layers that run."""
        s = self.state
        weight, bias = (
            s[f"patch_embed_super.proj.{key}"][:features] for key in ("weight", "bias")
        )
        x = functional.conv2d(x, weight, bias, stride=self.patch).flatten(2).transpose(1, 2)
        token = s["cls_token"][..., :features].expand(x.shape[0], -1, -1)
        x = torch.cat([token, x], dim=1) + s["pos_embed"][..., :features]
        for i, (h, ratio) in enumerate(zip(heads, ratios, strict=True)):
            x = x + self._attend(self._norm(x, f"blocks.{i}.attn_layer_norm"), i, h)
            y = self._norm(x, f"blocks.{i}.ffn_layer_norm")
            hidden = int(features * ratio)
            y = functional.gelu(self._linear(y, f"blocks.{i}.fc1", hidden))
            x = x + self._linear(y, f"blocks.{i}.fc2", features)
        x = self._norm(x, "norm")[:, 1:].mean(dim=1)
        return self._linear(x, "head", s["head.bias"].shape[0])

    def _norm(self, x: Tensor, name: str) -> Tensor:
        c = x.shape[-1]
        weight, bias = (self.state[f"{name}.{key}"][:c] for key in ("weight", "bias"))
        return functional.layer_norm(x, (c,), weight, bias, 1e-5)

    def _linear(self, x: Tensor, name: str, cout: int) -> Tensor:
        weight = self.state[f"{name}.weight"][:, : x.shape[-1]][:cout]
        return functional.linear(x, weight, self.state[f"{name}.bias"][:cout])

    def _positions(self, name: str, tokens: int) -> Tensor:
        """Return [tokens, tokens, features of a head]; entry 0 is for the class token."""
        side = int((tokens - 1) ** 0.5)
        place = torch.arange(tokens - 1)
        made = 0
        for axis, where in (("v", place // side), ("h", place % side)):
            apart = (where[None, :] - where[:, None]).clamp(-DISTANCE, DISTANCE) + DISTANCE + 1
            rows = torch.zeros(tokens, tokens, dtype=torch.int64)
            rows[1:, 1:] = apart
            made = made + self.state[f"{name}.embeddings_table_{axis}"][rows]
        return made

    def _attend(self, x: Tensor, i: int, heads: int) -> Tensor:
        n, tokens, features = x.shape
        name, rows = f"blocks.{i}.attn", 3 * HEAD * heads
        weight = self.state[f"{name}.qkv.weight"][:, :features]
        weight = torch.cat([weight[start:rows:3] for start in range(3)])
        qkv = functional.linear(x, weight, self.state[f"{name}.qkv.bias"][:rows])
        q, k, v = qkv.view(n, tokens, 3, heads, HEAD).permute(2, 0, 3, 1, 4)
        scores = torch.einsum("bhid,bhjd->bhij", q, k)
        keys = self._positions(f"{name}.rel_pos_embed_k", tokens)
        scores = scores + torch.einsum("bhid,ijd->bhij", q, keys)
        weights = (scores * HEAD**-0.5).softmax(-1)
        values = self._positions(f"{name}.rel_pos_embed_v", tokens)
        y = torch.einsum("bhij,bhjd->bihd", weights, v)
        y = y + torch.einsum("bhij,ijd->bihd", weights, values)
        return self._linear(y.reshape(n, tokens, heads * HEAD), f"{name}.proj", features)
