"""Blocks as keys of the latency tables of ProxylessNAS and once-for-all.

Both formats name a row by type, input and output shape (H x W x C) and, for an inverted
residual, by expansion, kernel, stride and whether it has a shortcut (Cai, Zhu, Han 2019,
arXiv:1812.00332; Cai et al. 2020, arXiv:1908.09791). They differ in two ways:

* ProxylessNAS gives the expansion as a ratio and has one row for all that follows the last
  convolution; squeeze-and-excitation and activations do not occur.
* Once-for-all gives the channels of the depthwise convolution, marks squeeze-and-excitation
  (``se``) and h-swish (``hs``), and has rows for pooling, hidden layer and classifier.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias

from search_spaces.blocks import BlockSpec, Conv, Head, MBConv, conv_hw
from search_spaces.rounding import make_divisible

__all__ = ["Dialect", "dialect_of", "keys_of"]

Dialect: TypeAlias = Literal["once-for-all", "ProxylessNAS"]

_BLOCK = "expanded_conv-"
_RELUS = ("relu", "relu6")


def dialect_of(keys: Iterable[str]) -> Dialect | None:
    """Return the format that the rows of inverted residuals are in; None if there are none."""
    blocks = [key for key in keys if key.startswith(_BLOCK)]
    if not blocks:
        return None
    return "once-for-all" if any("-hs:" in key for key in blocks) else "ProxylessNAS"


def keys_of(block: BlockSpec, dialect: Dialect) -> tuple[str, ...] | None:
    """Return the rows whose sum is a block's latency; None if the format cannot name it."""
    match block:
        case Conv():
            return _conv(block)
        case MBConv():
            return _mbconv(block, dialect)
        case Head():
            return _head(block, dialect)
    return None


def _shape(channels: int, hw: int) -> str:
    return f"{hw}x{hw}x{channels}"


def _ends(block: Conv | MBConv) -> str:
    out_hw = conv_hw(block.hw, block.stride)
    return f"input:{_shape(block.cin, block.hw)}-output:{_shape(block.cout, out_hw)}"


def _conv(block: Conv) -> tuple[str, ...] | None:
    """Return the row of the stem (3x3, stride 2) or of the last convolution (1x1)."""
    kinds = {(3, 2): "Conv", (1, 1): "Conv_1"}
    kind = kinds.get((block.kernel, block.stride))
    return None if kind is None or block.shortcut else (f"{kind}-{_ends(block)}",)


def _mbconv(block: MBConv, dialect: Dialect) -> tuple[str, ...] | None:
    if block.shortcut_kind != "identity" or block.expand_conv == (block.mid == block.cin):
        return None
    tail = f"kernel:{block.kernel}-stride:{block.stride}-idskip:{int(block.shortcut)}"
    if dialect == "ProxylessNAS":
        if block.se or block.act not in _RELUS or block.mid % block.cin:
            return None
        return (f"{_BLOCK}{_ends(block)}-expand:{block.mid // block.cin}-{tail}",)
    squeeze = make_divisible(block.mid / 4)
    gates = (block.se_act, block.se_gate)
    if block.se not in (0, squeeze) or (block.se and gates != ("relu", "h_sigmoid")):
        return None
    if block.act not in (*_RELUS, "h_swish"):
        return None
    marks = f"se:{int(block.se > 0)}-hs:{int(block.act == 'h_swish')}"
    return (f"{_BLOCK}{_ends(block)}-expand:{block.mid}-{tail}-{marks}",)


def _head(block: Head, dialect: Dialect) -> tuple[str, ...] | None:
    if dialect == "ProxylessNAS":
        if block.hidden:
            return None
        return (f"Logits-input:{_shape(block.cin, block.hw)}-output:{block.classes}",)
    if not block.hidden or block.act != "h_swish":
        return None
    pooled = _shape(block.cin, 1)
    hidden = _shape(block.hidden, 1)
    return (
        f"AvgPool2D-input:{_shape(block.cin, block.hw)}-output:{pooled}",
        f"Conv_2-input:{pooled}-output:{hidden}",
        f"Logits-input:{hidden}-output:{block.classes}",
    )
