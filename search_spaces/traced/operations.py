"""What a node of a traced graph does, in the terms of our blocks; anything else is refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from torch import fx, nn

from search_spaces.blocks import Shape, Window
from search_spaces.errors import SpaceError

__all__ = ["Operation", "is_supported", "operation_of", "place_of", "refuse", "shape_of"]


@dataclass(frozen=True)
class Operation:
    """What a node does.

    Attributes:
        kind: conv, linear, norm, act, dropout, pool, join, concat, reshape, or same for what
            does nothing.
        fields: Of the block that does it.
        in_place: Whether it overwrites its input.
    """

    kind: str
    fields: dict[str, Any] = field(default_factory=dict)
    in_place: bool = False


_Reader: TypeAlias = Callable[[fx.Node, Any], Operation]
"""Called with the node, and its module or its arguments by name."""


def place_of(node: fx.Node) -> str:
    """Return the path of the module whose forward has the node; empty for the model itself."""
    stack = node.meta.get("nn_module_stack") or {"": ("", None)}
    path: str = [*stack.values()][-1][0]
    return path


def refuse(node: fx.Node, why: str) -> SpaceError:
    """Return the error for a node that has no elastic counterpart."""
    target = node.target if isinstance(node.target, str) else _name(node.target)
    inside = f"in module {place_of(node)!r}" if place_of(node) else "in the model's forward"
    return SpaceError(
        f"SearchSpace.from_module cannot take {target!r} (node {node.name!r}, {inside}): {why}. "
        f"Supported are the modules {', '.join(sorted(t.__name__ for t in _MODULES))}; the "
        f"functions and methods {', '.join(sorted(_CALLS))}; not constants, slices or "
        "permutations. Rewrite that part, or build the space by hand (docs/own_space.md)."
    )


def shape_of(node: fx.Node) -> Shape:
    """Return the shape of a node's output for one image."""
    shape: Shape = node.meta["shape"]
    return shape


def is_supported(module: nn.Module) -> bool:
    """Return whether a module is one of those that are taken as a whole, forward unchanged."""
    return any(
        isinstance(module, known) and type(module).forward is known.forward for known in _MODULES
    )


def operation_of(node: fx.Node, model: nn.Module) -> Operation:
    """Return what a node with a tensor as its output does.

    Raises:
        SpaceError: It has no elastic counterpart; the message names it and its place.
    """
    if node.op == "get_attr":
        raise refuse(node, "parameters and buffers are used through modules only")
    if node.op == "call_module":
        module = model.get_submodule(str(node.target))
        for kind, of_module in _MODULES.items():
            if isinstance(module, kind):
                return of_module(node, module)
        raise refuse(node, f"{type(module).__name__} has no elastic counterpart")
    name = node.target if isinstance(node.target, str) else _name(node.target)
    base = name.removesuffix("_") if name.endswith("_") else name
    if base not in _CALLS or not _is_of_torch(node):
        raise refuse(node, "it has no elastic counterpart")
    names, read = _CALLS[base]
    operation = read(node, {**dict(zip(names, node.args, strict=False)), **node.kwargs})
    return replace(operation, in_place=base != name or operation.in_place)


def _name(function: Any) -> str:
    return str(getattr(function, "__name__", function))


def _is_of_torch(node: fx.Node) -> bool:
    """Return whether a method, or a function of torch or of an operator, is called."""
    home = getattr(node.target, "__module__", None) or "torch"
    return node.op == "call_method" or home.split(".")[0] in ("torch", "_operator")


def _pair(node: fx.Node, value: Any) -> Shape:
    """Return height and width of a setting.

    Raises:
        SpaceError: It is neither a number nor a pair of numbers.
    """
    pair = (value, value) if isinstance(value, int) else tuple(value)
    if len(pair) == 1:
        pair = pair * 2
    if len(pair) != 2 or not all(isinstance(side, int) for side in pair):
        raise refuse(node, f"the setting {value!r} is no number or pair of numbers")
    return pair


# modules


def _conv(node: fx.Node, conv: nn.Conv2d) -> Operation:
    if conv.padding_mode != "zeros":
        raise refuse(node, f"its padding mode is {conv.padding_mode!r}, only 'zeros' is known")
    grouped = conv.groups > 1
    depthwise = grouped and conv.groups == conv.in_channels
    fields = {
        "kernel": _pair(node, conv.kernel_size),
        "stride": _pair(node, conv.stride),
        "padding": _conv_padding(node, conv),
        "dilation": _pair(node, conv.dilation),
        "groups": conv.groups if grouped and not depthwise else 1,
        "depthwise": depthwise,
        "bias": conv.bias is not None,
        "norm": False,
    }
    return Operation("conv", fields | {"cout": conv.out_channels})


def _conv_padding(node: fx.Node, conv: nn.Conv2d) -> Shape:
    if conv.padding == "valid":
        return (0, 0)
    if conv.padding != "same":
        return _pair(node, conv.padding)
    sides = zip(conv.kernel_size, conv.dilation, strict=True)
    whole = [dilation * (kernel - 1) for kernel, dilation in sides]
    if any(side % 2 for side in whole):
        raise refuse(node, "padding 'same' of an even kernel pads one side more than the other")
    return tuple(side // 2 for side in whole)


def _linear(node: fx.Node, linear: nn.Linear) -> Operation:
    if len(shape_of(node)) != 1:
        raise refuse(node, "a linear layer takes vectors of features only; flatten first")
    fields = {"bias": linear.bias is not None, "cout": linear.out_features}
    return Operation("linear", fields)


def _norm(node: fx.Node, norm: nn.BatchNorm1d | nn.BatchNorm2d) -> Operation:
    if not norm.affine or not norm.track_running_stats:
        raise refuse(node, "batch norm needs a scale, a shift and running statistics")
    if len(shape_of(node)) == 2:
        raise refuse(node, "batch norm over sequences is not known")
    return Operation("norm", {"norm": True, "eps": norm.eps})


def _of_module(read: _Reader, *names: str) -> _Reader:
    """Return a reader of the module that has a function's arguments as attributes."""
    return lambda node, module: read(node, {name: getattr(module, name) for name in names})


# functions, and modules that are these functions


def _act(name: str) -> _Reader:
    def read(node: fx.Node, given: dict[str, Any]) -> Operation:
        if given.get("approximate", "none") != "none":
            raise refuse(node, "only the exact GELU is known")
        return Operation("act", {"act": name}, bool(given.get("inplace", False)))

    return read


def _dropout(node: fx.Node, given: dict[str, Any]) -> Operation:
    rate = given.get("p", 0.5)
    if not rate:
        return Operation("same")
    return Operation("dropout", {"dropout": float(rate)}, bool(given.get("inplace", False)))


def _pool(node: fx.Node, given: dict[str, Any], *, kind: str) -> Operation:
    if given.get("return_indices") or given.get("divisor_override"):
        raise refuse(node, "return_indices and divisor_override are not known")
    kernel = _pair(node, given["kernel_size"])
    stride = _pair(node, given.get("stride") or kernel)
    padding = _pair(node, given.get("padding", 0))
    dilation = _pair(node, given.get("dilation", 1))
    floor = Window(kernel, stride, padding, dilation).out_hw(_in_shape(node)[1:])
    ceil = bool(given.get("ceil_mode", False)) and floor != shape_of(node)[1:]
    if ceil and kind == "average":
        raise refuse(node, "an average pool's last window must be whole (ceil_mode)")
    counted = kind == "average" and any(padding) and given.get("count_include_pad", True)
    fields: dict[str, Any] = {"kind": kind, "kernel": kernel, "stride": stride}
    fields |= {"padding": padding, "dilation": dilation}
    return Operation("pool", fields | {"ceil": ceil, "count_padding": bool(counted)})


def _max_pool(node: fx.Node, given: dict[str, Any]) -> Operation:
    return _pool(node, given, kind="max")


def _avg_pool(node: fx.Node, given: dict[str, Any]) -> Operation:
    return _pool(node, given, kind="average")


def _adaptive(node: fx.Node, given: dict[str, Any]) -> Operation:
    before, after = _in_shape(node)[1:], shape_of(node)[1:]
    if before == after:
        return Operation("same")
    if set(after) == {1}:
        return Operation("pool", {"kind": "global"})
    if any(side % made for side, made in zip(before, after, strict=True)):
        raise refuse(node, f"{before} pixels cannot be averaged to {after} by equal windows")
    window = tuple(side // made for side, made in zip(before, after, strict=True))
    return Operation("pool", {"kind": "average", "kernel": window, "stride": window})


def _mean(node: fx.Node, given: dict[str, Any]) -> Operation:
    dims = given.get("dim")
    axes = sorted(d % 4 for d in dims) if isinstance(dims, list | tuple) else []
    if len(_in_shape(node)) != 3 or axes != [2, 3]:
        raise refuse(node, "only the mean over height and width, dim=(2, 3), is known")
    return Operation("pool", {"kind": "global"})


def _reshape(node: fx.Node, given: dict[str, Any]) -> Operation:
    before, after = _in_shape(node), shape_of(node)
    if before == after:
        return Operation("same")
    if after == (math.prod(before),):
        return Operation("reshape", {"to_map": False})
    if after == (*before, 1, 1):
        return Operation("reshape", {"to_map": True})
    raise refuse(node, f"the shape {before} can be flattened, not changed to {after}")


def _expand(node: fx.Node, given: dict[str, Any]) -> Operation:
    return Operation("same")  # the multiplication that reads it spreads it out


def _join(node: fx.Node, given: dict[str, Any], *, op: str) -> Operation:
    operands = (given.get("input"), given.get("other"))
    if not all(isinstance(operand, fx.Node) and "shape" in operand.meta for operand in operands):
        raise refuse(node, "both operands must be outputs of layers, not constants")
    if given.get("alpha", 1) != 1:
        raise refuse(node, "alpha is not known")
    return Operation("join", {"op": op})


def _joined(op: str) -> _Reader:
    return lambda node, given: _join(node, given, op=op)


def _concat(node: fx.Node, given: dict[str, Any]) -> Operation:
    dimension = given.get("dim", 0)
    if dimension % (1 + len(shape_of(node))) != 1:
        raise refuse(node, f"only channels, dim=1, can be concatenated, got dim={dimension}")
    return Operation("same" if len(given["tensors"]) == 1 else "concat")


def _in_shape(node: fx.Node) -> Shape:
    return shape_of(node.all_input_nodes[0])


_MAX_POOL = ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")
_AVG_POOL = (*_MAX_POOL[:3], "ceil_mode", "count_include_pad", "divisor_override")
_TWO = ("input", "other")
_ONE = ("input",)
_CALLS: dict[str, tuple[tuple[str, ...], _Reader]] = {
    "relu": (_ONE, _act("relu")),
    "relu6": (_ONE, _act("relu6")),
    "hardswish": (_ONE, _act("h_swish")),
    "silu": (_ONE, _act("swish")),
    "sigmoid": (_ONE, _act("sigmoid")),
    "hardsigmoid": (_ONE, _act("h_sigmoid")),
    "gelu": (_ONE, _act("gelu")),
    "add": (_TWO, _joined("add")),
    "iadd": (_TWO, _joined("add")),
    "sub": (_TWO, _joined("sub")),
    "isub": (_TWO, _joined("sub")),
    "mul": (_TWO, _joined("mul")),
    "imul": (_TWO, _joined("mul")),
    "cat": (("tensors", "dim"), _concat),
    "concat": (("tensors", "dim"), _concat),
    "max_pool2d": (("input", *_MAX_POOL), _max_pool),
    "avg_pool2d": (("input", *_AVG_POOL), _avg_pool),
    "adaptive_avg_pool2d": (("input", "output_size"), _adaptive),
    "mean": (("input", "dim", "keepdim"), _mean),
    "dropout": (("input", "p"), _dropout),
    "flatten": ((), _reshape),
    "view": ((), _reshape),
    "reshape": ((), _reshape),
    "squeeze": ((), _reshape),
    "unsqueeze": ((), _reshape),
    "contiguous": ((), _reshape),
    "expand_as": ((), _expand),
}
_MODULES: dict[type[nn.Module], _Reader] = {
    nn.Conv2d: _conv,
    nn.Linear: _linear,
    nn.BatchNorm1d: _norm,
    nn.BatchNorm2d: _norm,
    nn.ReLU: _of_module(_act("relu"), "inplace"),
    nn.ReLU6: _of_module(_act("relu6"), "inplace"),
    nn.Hardswish: _of_module(_act("h_swish"), "inplace"),
    nn.SiLU: _of_module(_act("swish"), "inplace"),
    nn.Sigmoid: _of_module(_act("sigmoid")),
    nn.Hardsigmoid: _of_module(_act("h_sigmoid"), "inplace"),
    nn.GELU: _of_module(_act("gelu"), "approximate"),
    nn.MaxPool2d: _of_module(_max_pool, *_MAX_POOL),
    nn.AvgPool2d: _of_module(_avg_pool, *_AVG_POOL),
    nn.AdaptiveAvgPool2d: _adaptive,
    nn.Flatten: _reshape,
    nn.Unflatten: _reshape,
    nn.Dropout: _of_module(_dropout, "p", "inplace"),
    nn.Identity: _reshape,
}
