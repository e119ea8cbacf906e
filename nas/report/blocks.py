"""Blocks in words, for people who read a report and not a data class."""

from __future__ import annotations

import math

from search_spaces.blocks import (
    Activation,
    AsymmetricConv,
    Average,
    AvgPool,
    BlockSpec,
    Bottleneck,
    ChannelMixer,
    Concat,
    Conv,
    DepthwiseMixer,
    FactorizedReduce,
    FusedMBConv,
    GeneralConcat,
    GeneralConv,
    GeneralJoin,
    GeneralLinear,
    GeneralPool,
    Ghost,
    GhostBottleneck,
    Head,
    LSConv,
    MapAttention,
    MaxPool,
    MBConv,
    NodeSum,
    NormAct,
    PartialConvBlock,
    PatchEmbed,
    Pointwise,
    PreActConv,
    PreActResidual,
    PrivateAttention,
    PrivateMlp,
    RectifiedConv,
    RectifiedSum,
    Reshape,
    Select,
    SeparableConv,
    ShuffleV2,
    ShuffleXception,
    SpatialReduction,
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
        case FusedMBConv():
            extras = [
                f"{block.mid} inside",
                _stride(block.stride),
                "squeeze-excite" if block.se else "",
                "shortcut" if block.shortcut else "",
            ]
            return _line(f"fused inverted residual {_square(block.kernel)}", block, *extras)
        case Ghost():
            return _line(f"ghost module {_square(block.kernel)}", block)
        case GhostBottleneck():
            extras = [
                f"{block.mid} inside",
                _stride(block.stride),
                "squeeze-excite" if block.se else "",
                "projected shortcut" if block.projects else "shortcut",
            ]
            return _line(f"ghost bottleneck {_square(block.kernel)}", block, *extras)
        case PartialConvBlock():
            return (
                f"partial convolution {_square(block.kernel)} of {block.part} of {block.cin} "
                f"channels, {block.mid} inside, {_square(block.hw)} px"
            )
        case DepthwiseMixer():
            extra = ", squeeze-excite" if block.se else ""
            return (
                f"depthwise mixer {_square(block.kernel)}, {block.cin} channels{extra}, "
                f"{_square(block.hw)} px"
            )
        case ChannelMixer():
            return (
                f"channel mixer, {block.cin} channels, {block.mid} inside, {_square(block.hw)} px"
            )
        case MapAttention():
            return (
                f"attention of pixels, {block.cin} channels, {block.heads} heads of "
                f"{block.key_dim} and {block.value_dim}, {_square(block.hw)} px"
            )
        case LSConv():
            return (
                f"large-small convolution {_square(block.kernel)} to {_square(block.small)}, "
                f"{block.cin} channels, {block.mid} inside, {_square(block.hw)} px"
            )
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
            return _line(name, block, _stride(block.stride), _dilation(block.dilation))
        case SeparableConv():
            name = f"separable convolution {_square(block.kernel)}"
            repeats = "" if block.repeats == 1 else f"{block.repeats} times"
            extras = [repeats, _stride(block.stride), _dilation(block.dilation)]
            return _line(name, block, *extras)
        case AsymmetricConv():
            across, down = f"1{_TIMES}{block.kernel}", f"{block.kernel}{_TIMES}1"
            return _line(f"convolutions {across} and {down}", block, _stride(block.stride))
        case FactorizedReduce():
            return _line("factorised reduction", block)
        case Activation():
            return f"activation, {block.cin} channels, {_square(block.hw)} px"
        case Select():
            return f"choice of input {block.source} of {len(block.cin)}"
        case Concat():
            inputs = f"concatenation of {len(block.sources)} inputs"
            return f"{inputs}, {block.cin} channels each, {_square(block.hw)} px"
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
        case PrivateAttention():
            kinds = " + ".join(
                f"{len(heads)} {kind.replace('_', ' ')}" for kind, heads in block.groups.items()
            )
            return (
                f"private attention, {block.tokens} tokens of {block.cin}, heads of "
                f"{block.head_dim}: {kinds}"
            )
        case PrivateMlp():
            return (
                f"perceptron, {block.tokens} tokens of {block.cin}, {block.mid} inside, "
                f"{block.act}{_tokens(block)}"
            )
        case RectifiedConv():
            what = f"convolution {_square(block.kernel)}"
            return _line(what, block, _stride(block.stride), _rectified(block))
        case RectifiedSum():
            what = f"convolution {_square(block.kernel)} and sum"
            return _line(what, block, _stride(block.stride), _rectified(block))
        case SpatialReduction():
            fewer = f"{block.out_shape[0]} of {block.cout}"
            return f"spatial reduction, {block.tokens} tokens of {block.cin} → {fewer}"
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
        case GeneralJoin():
            kind = {"add": "sum", "sub": "difference", "mul": "product"}[block.op]
            kind += " with a gate" if block.gate else " of 2 inputs"
            return _listed(kind, f"{block.channels} channels", _place(block.hw))
        case Average():
            return f"mean of {block.inputs} networks, {block.shape[0]} outputs"
        case GeneralConcat():
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


_TIMES = "\N{MULTIPLICATION SIGN}"
_Conv = (
    AsymmetricConv
    | Bottleneck
    | Conv
    | FactorizedReduce
    | FusedMBConv
    | Ghost
    | GhostBottleneck
    | MBConv
    | PreActConv
    | PreActResidual
    | RectifiedConv
    | RectifiedSum
    | SeparableConv
    | ShuffleV2
    | ShuffleXception
)


def _line(what: str, block: _Conv, *extras: str) -> str:
    parts = [what, f"{block.cin} → {block.cout} channels", *extras, f"{_square(block.hw)} px"]
    return ", ".join(part for part in parts if part)


def _rectified(block: RectifiedConv | RectifiedSum) -> str:
    share = block.kept / math.prod(block.out_shape)
    if share in (0, 1):
        return "ReLU" if share else block.rest
    return f"ReLU of {share:.1%} of its {block.granularity}s, else {block.rest}"


def _tokens(block: PrivateMlp) -> str:
    return f" of {block.tokens - block.passed} tokens" if block.passed else ""


def _shortcut(block: MBConv) -> str:
    if not block.shortcut:
        return ""
    return "shortcut" if block.shortcut_kind == "identity" else "pooled and projected shortcut"


def _square(side: int) -> str:
    return f"{side}{_TIMES}{side}"


def _stride(stride: int) -> str:
    return "" if stride == 1 else f"stride {stride}"


def _dilation(dilation: int) -> str:
    return "" if dilation == 1 else f"dilation {dilation}"
