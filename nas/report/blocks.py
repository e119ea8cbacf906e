"""Blocks in words, for people who read a report and not a data class."""

from __future__ import annotations

from search_spaces.blocks import (
    AvgPool,
    BlockSpec,
    Bottleneck,
    Concat,
    Conv,
    GeneralConv,
    GeneralLinear,
    GeneralPool,
    Head,
    Join,
    MaxPool,
    MBConv,
    NodeSum,
    NormAct,
    PatchEmbed,
    Pointwise,
    PreActConv,
    PreActResidual,
    Reshape,
    ShuffleV2,
    ShuffleXception,
    TokenHead,
    TransformerLayer,
    Zero,
)

__all__ = ["describe"]


def describe(block: BlockSpec) -> str:
    """Return one line about a block: what it is, its channels, its input size."""
    match block:
        case MBConv():
            extras = [
                f"{block.mid} inside",
                _stride(block.stride),
                "squeeze-excite" if block.se else "",
                _shortcut(block),
            ]
            return _line(f"inverted residual {_square(block.kernel)}", block, *extras)
        case Conv():
            extras = [_stride(block.stride), "shortcut" if block.shortcut else ""]
            return _line(f"convolution {_square(block.kernel)}", block, *extras)
        case Bottleneck():
            extras = [
                f"{block.mid} inside",
                _stride(block.stride),
                "projected shortcut" if block.project else "shortcut",
            ]
            return _line(f"bottleneck {_square(block.kernel)}", block, *extras)
        case MaxPool() | AvgPool():
            kind = "max" if isinstance(block, MaxPool) else "average"
            return (
                f"{kind} pool {_square(block.kernel)}, {block.cin} channels, "
                f"{_stride(block.stride) or 'stride 1'}, {_square(block.hw)} px"
            )
        case PreActConv():
            name = f"activation, convolution {_square(block.kernel)}"
            return _line(name, block, _stride(block.stride))
        case PreActResidual():
            name = f"residual block of two {_square(block.kernel)}"
            return _line(name, block, _stride(block.stride))
        case NodeSum():
            return f"sum of {block.inputs} inputs, {block.cin} channels, {_square(block.hw)} px"
        case Zero():
            return f"zeros, {block.cin} channels, {_square(block.hw)} px"
        case NormAct():
            return f"batch norm, activation, {block.cin} channels, {_square(block.hw)} px"
        case ShuffleV2():
            name = f"shuffle unit {_square(block.kernel)}"
            return _line(name, block, f"{block.mid} inside", _stride(block.stride))
        case ShuffleXception():
            extras = [f"{block.mid} inside", _stride(block.stride)]
            return _line(f"shuffle unit, three separable {_square(3)}", block, *extras)
        case Head():
            hidden = f"hidden layer of {block.hidden}, " if block.hidden else ""
            return (
                f"pooling and classifier, {hidden}{block.cin} → {block.classes}, "
                f"{_square(block.hw)} px"
            )
        case PatchEmbed():
            patches = f"patches of {_square(block.patch)}, {block.cin} channels"
            return f"{patches} → {block.tokens} tokens of {block.cout}, {_square(block.hw)} px"
        case TransformerLayer():
            heads = f"{block.heads} head{'' if block.heads == 1 else 's'} of {block.head_dim}"
            return (
                f"transformer layer, {block.tokens} tokens of {block.cin}, {heads}, "
                f"{block.mid} inside"
            )
        case TokenHead():
            return (
                f"pooling and classifier, {block.tokens} tokens of {block.cin} → {block.classes}"
            )
    return _general(block) or str(block)


def _general(block: BlockSpec) -> str:
    """Return one line about a block of a network that was not written for us."""
    match block:
        case GeneralConv():
            kind = "depthwise convolution" if block.depthwise else "convolution"
            extras = [
                f"{block.groups} groups" if block.groups > 1 else "",
                "" if set(block.stride) == {1} else f"stride {_sides(block.stride)}",
                "" if set(block.dilation) == {1} else f"dilation {_sides(block.dilation)}",
            ]
            what = [f"{kind} {_sides(block.kernel)}", f"{sum(block.cin)} → {block.cout} channels"]
            return _listed(*what, *extras, _place(block.hw))
        case GeneralLinear():
            return f"linear layer, {sum(block.cin)} → {block.cout} features"
        case Pointwise():
            what = ["batch norm" if block.norm else "", "activation" if block.act else ""]
            what.append("dropout" if block.dropout else "")
            return _listed(*what, f"{sum(block.cin)} channels", _place(block.hw))
        case GeneralPool():
            kind = f"{block.kind} pool"
            if block.kind != "global":
                kind += f" {_sides(block.kernel)}, stride {_sides(block.stride)}"
            return _listed(kind, f"{block.channels} channels", _place(block.hw))
        case Join():
            kind = {"add": "sum", "sub": "difference", "mul": "product"}[block.op]
            kind += " with a gate" if block.gate else " of 2 inputs"
            return _listed(kind, f"{block.channels} channels", _place(block.hw))
        case Concat():
            return _listed(
                f"concatenation of {' + '.join(map(str, block.channels))} channels",
                _place(block.hw),
            )
        case Reshape():
            return _listed(f"reshaping, {block.channels} channels", _place(block.hw))
    return ""


def _listed(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def _sides(pair: tuple[int, ...]) -> str:
    return "\N{MULTIPLICATION SIGN}".join(map(str, pair))


def _place(hw: tuple[int, ...]) -> str:
    return f"{_sides(hw)} px" if hw else ""


_Conv = Bottleneck | Conv | MBConv | PreActConv | PreActResidual | ShuffleV2 | ShuffleXception


def _line(what: str, block: _Conv, *extras: str) -> str:
    parts = [what, f"{block.cin} → {block.cout} channels", *extras, f"{_square(block.hw)} px"]
    return ", ".join(part for part in parts if part)


def _shortcut(block: MBConv) -> str:
    if not block.shortcut:
        return ""
    return "shortcut" if block.shortcut_kind == "identity" else "pooled and projected shortcut"


def _square(side: int) -> str:
    return f"{side}\N{MULTIPLICATION SIGN}{side}"


def _stride(stride: int) -> str:
    return "" if stride == 1 else f"stride {stride}"
