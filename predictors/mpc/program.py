"""What an engine executes for a network: its layers, folded, each as secret operators.

Whoever owns the weights folds what is linear into them before they are shared: batch norm
into the convolution before it, the scale and shift of a layer norm into the linear layers
after it, the scale of queries into their projection. What is left is the *program*, a list of
steps; each step says which operators the engine runs for it. Costs price the operators, the
engine runs the steps.

Heads of one kind of attention are gathered, a public selection that costs nothing, and are
computed together; so are the elements or tokens that a partial activation keeps, by a mask that
all parties know. (A secret mask would be multiplied, and cost more than it saves.) A reciprocal is
taken of a row's sum, not of every element: at rows of 64 softmax then moves 398 bytes an element
where the plain quotient moves 1,392, at equal rounds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from predictors.errors import TableError
from predictors.latency.graph import PlacedBlock
from search_spaces.blocks import BlockSpec, Layer, layers_of

__all__ = [
    "Mask",
    "Operator",
    "Program",
    "Step",
    "operators_of",
    "program_of",
    "steps_of",
    "takers",
]


@dataclass(frozen=True, slots=True, order=True)
class Operator:
    """One operator on secrets, with its sizes: the key of a price.

    Attributes:
        kind: ``matmul`` (batch, rows, inner, columns), ``max_pool`` (outputs, window),
            ``softmax``, ``relu_softmax``, ``two_quad`` and ``layer_norm`` (rows, length),
            ``mean`` (outputs,), ``partition`` (elements, kept), and element by element
            (elements,) ``mul``, ``scale``, ``relu``, ``polynomial`` and the other activations.
        sizes: As the kind says.
    """

    kind: str
    sizes: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.kind}({' x '.join(map(str, self.sizes))})"


@dataclass(frozen=True, slots=True)
class Step:
    """A layer as the engine executes it.

    Attributes:
        position: Of the layer in its block.
        layer: The layer.
        operators: What it costs; none for what is local to each party.
        folded: Whether the weights of another layer have taken it over; its output is its
            input then.
    """

    position: int
    layer: Layer
    operators: tuple[Operator, ...] = ()
    folded: bool = False


@dataclass(frozen=True, slots=True)
class Mask:
    """Which elements an activation acts on: known to all parties.

    Attributes:
        shape: Of a map, (H, W, C), or of tokens, (tokens, features).
        kept: How many elements.
    """

    shape: tuple[int, ...]
    kept: int


@dataclass(frozen=True, slots=True)
class Program:
    """The steps of a whole network, ready for an engine.

    Attributes:
        steps: As JSON; ``inputs`` are positions in this list, -1 is the network's input.
        shapes: Of the input (H, W, C) and of every weight, by name. A weight's name is
            ``BLOCK.LAYER.weight``, of a bias ``BLOCK.LAYER.bias``.
        masks: By the name ``BLOCK.LAYER.mask``.
        operators: What the engine runs, in order.
    """

    steps: tuple[dict[str, Any], ...]
    shapes: dict[str, tuple[int, ...]]
    masks: dict[str, Mask]
    operators: tuple[Operator, ...]


_ELEMENTWISE = {
    "relu",
    "relu6",
    "h_swish",
    "h_sigmoid",
    "sigmoid",
    "swish",
    "gelu",
    "polynomial",
    "quadratic",
    "square",
}
_LOCAL = {
    "add",
    "channel_split",
    "channel_shuffle",
    "class_token",
    "concat",
    "join_heads",
    "merge_heads",
    "position_embedding",
    "select_heads",
    "split_heads",
    "transpose",
    "zero",
}
_ROWS = {"softmax", "relu_softmax", "two_quad"}


def steps_of(block: BlockSpec) -> tuple[Step, ...]:
    """Return the program of a block.

    Raises:
        TableError: A layer has no private form.
    """
    layers = layers_of(block)
    return tuple(
        Step(position, layer, folded=True)
        if layer.op != "layer_norm" and takers(layers, position)
        else Step(position, layer, _operators(layers, position))
        for position, layer in enumerate(layers)
    )


@lru_cache(maxsize=1 << 16)
def operators_of(block: BlockSpec) -> tuple[Operator, ...]:
    """Return the operators of a block, in the order they run.

    Raises:
        TableError: A layer has no private form.
    """
    return tuple(operator for step in steps_of(block) for operator in step.operators)


def _readers(layers: Sequence[Layer], position: int) -> list[int]:
    """Return the layers that read one; the block's output counts as a reader of its last."""
    readers = [i for i, layer in enumerate(layers) if position in layer.inputs]
    return [*readers, len(layers)] if position == len(layers) - 1 else readers


def takers(layers: Sequence[Layer], position: int) -> tuple[int, ...]:
    """Return the layers whose weights take over what is linear of one; none where it stays.

    Of a batch norm and of the scale of queries that is all of it, and the layer before takes
    it; of a layer norm it is scale and shift, and the linear layers after it take them.
    """
    layer = layers[position]
    if layer.op == "layer_norm":
        return _linear_readers(layers, position) or ()
    source = layer.inputs[0]
    if source < 0 or _readers(layers, source) != [position]:
        return ()
    if layer.op == "batch_norm" and layers[source].op in ("conv2d", "linear"):
        return (source,)
    if layer.op == "scale" and layers[source].op == "split_heads":
        before = layers[source].inputs[0]
        if before >= 0 and layers[before].op == "token_linear":
            return (before,) if _readers(layers, before) == [source] else ()
    return ()


def _linear_readers(layers: Sequence[Layer], position: int) -> tuple[int, ...] | None:
    """Return the linear layers that read one, perhaps after a mean; None if others do, too."""
    found: list[int] = []
    for reader in _readers(layers, position):
        if reader == len(layers):
            return None
        if layers[reader].op in ("token_linear", "linear"):
            found.append(reader)
        elif layers[reader].op == "token_pool":
            further = _linear_readers(layers, reader)
            if further is None:
                return None
            found += further
        else:
            return None
    return tuple(found)


def _operators(layers: Sequence[Layer], position: int) -> tuple[Operator, ...]:
    layer = layers[position]
    size = math.prod(layer.out_shape)
    if layer.op in _LOCAL:
        return ()
    if layer.op in _ELEMENTWISE:
        return (Operator(layer.op, (size,)),)
    if layer.op in _ROWS:
        length = layer.out_shape[-1]
        return (Operator(layer.op, (size // length, length)),)
    if layer.op == "layer_norm":
        length = layer.out_shape[-1]
        norm = Operator("layer_norm", (size // length, length))
        return (norm,) if takers(layers, position) else (norm, Operator("mul", (size,)))
    if layer.op in _SHAPED:
        return _SHAPED[layer.op](layer)
    raise TableError(
        f"The layer {layer.op!r} has no private form yet. Private spaces are mpc_vit, mpc_resnet "
        "and those of convolutions, linear layers, pools and common activations."
    )


def _groups(layer: Layer) -> tuple[int, int]:
    """Return the groups that a convolution is computed in, and the input channels of each.

    A depthwise kernel is spread out to a dense one, most of it zeros: one product of matrices
    in place of one for each channel.
    """
    cin = layer.in_shape[0]
    groups = 1 if layer.groups == cin else layer.groups
    return groups, cin // groups


def _convolution(layer: Layer) -> tuple[Operator, ...]:
    """Return the product with the unrolled image."""
    cout, height, width = layer.out_shape
    groups, cin = _groups(layer)
    inner = layer.kernel**2 * cin
    one = Operator("matmul", (1, height * width, inner, cout // groups))
    return (one,) * groups


def _token_product(layer: Layer) -> tuple[Operator, ...]:
    tokens, features = layer.out_shape
    inner = layer.macs // (tokens * features)
    return (Operator("matmul", (1, tokens, inner, features)),)


def _linear(layer: Layer) -> tuple[Operator, ...]:
    return (Operator("matmul", (1, 1, math.prod(layer.in_shape), layer.out_shape[0])),)


def _matmul(layer: Layer) -> tuple[Operator, ...]:
    heads, rows, inner = layer.in_shape
    return (Operator("matmul", (heads, rows, inner, layer.out_shape[-1])),)


def _partial_activation(layer: Layer) -> tuple[Operator, ...]:
    """Return the gathering, the activation of what is kept, and what the rest takes instead."""
    size = math.prod(layer.out_shape)
    act, _, rest = layer.op.partition("_or_")
    kept = (Operator("partition", (size, layer.kept)), Operator(act, (layer.kept,)))
    if rest == "identity":
        return kept
    return (*kept, Operator("polynomial", (size - layer.kept,)))


def _outputs(kind: str) -> Callable[[Layer], tuple[Operator, ...]]:
    return lambda layer: (Operator(kind, (math.prod(layer.out_shape),)),)


_SHAPED: dict[str, Callable[[Layer], tuple[Operator, ...]]] = {
    "conv2d": _convolution,
    "patches": _token_product,
    "token_linear": _token_product,
    "linear": _linear,
    "relu_or_identity": _partial_activation,
    "relu_or_polynomial": _partial_activation,
    "gelu_or_identity": _partial_activation,
    "quadratic_or_identity": _partial_activation,
    "matmul": _matmul,
    "batch_norm": _outputs("mul"),
    "mul": _outputs("mul"),
    "mean": _outputs("scale"),
    "scale": _outputs("scale"),
    "scale_attention": _outputs("scale"),
    "global_avg_pool": _outputs("mean"),
    "token_pool": _outputs("mean"),
    "avg_pool": _outputs("mean"),
    "padded_avg_pool": _outputs("mean"),
    "max_pool": lambda layer: (
        Operator("max_pool", (math.prod(layer.out_shape), layer.kernel**2)),
    ),
}


def program_of(network: Sequence[PlacedBlock]) -> Program:
    """Return the program of placed blocks; the result of the last is the output.

    Raises:
        TableError: A layer has no private form.
    """
    steps: list[dict[str, Any]] = []
    operators: list[Operator] = []
    channels, height, width = network[0].block.in_shape
    shapes: dict[str, tuple[int, ...]] = {"input": (height, width, channels)}
    masks: dict[str, Mask] = {}
    results: list[int] = []
    for number, placed in enumerate(network):
        inputs = [source if source < 0 else results[source] for source in placed.inputs]
        made: list[int] = []
        for step in steps_of(placed.block):
            sources = [
                made[source] if source >= 0 else inputs[-1 - source]
                for source in step.layer.inputs
            ]
            if step.folded:
                made.append(sources[0])
                continue
            name = f"{number}.{step.position}"
            shapes |= {f"{name}.{key}": shape for key, shape in _weights(step).items()}
            if step.layer.kept:
                masks[f"{name}.mask"] = Mask(_engine_shape(step.layer), step.layer.kept)
            made.append(len(steps))
            steps.append(_step_json(step, name, sources))
            operators += step.operators
        results.append(made[-1])
    return Program(tuple(steps), shapes, masks, tuple(operators))


def _engine_shape(layer: Layer) -> tuple[int, ...]:
    """Return the shape of what a layer puts out in the engine's layout: maps are (H, W, C)."""
    if len(layer.out_shape) < 3:
        return layer.out_shape
    channels, *sides = layer.out_shape
    return (*sides, channels)


def _step_json(step: Step, name: str, inputs: Sequence[int]) -> dict[str, Any]:
    layer = step.layer
    result: dict[str, Any] = {"op": layer.op, "inputs": list(inputs), "name": name}
    result |= {"in_shape": list(layer.in_shape), "out_shape": list(layer.out_shape)}
    groups = _groups(layer)[0] if layer.op == "conv2d" else layer.groups
    result |= {"kernel": layer.kernel, "stride": layer.stride, "groups": groups}
    result |= {"indices": list(layer.indices), "factor": layer.in_shape[-1] ** -0.5}
    return result


def _weights(step: Step) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a step's weights as the engine takes them."""
    layer = step.layer
    if layer.op == "conv2d":
        _, cin = _groups(layer)
        cout = layer.out_shape[0]
        return {"weight": (layer.kernel, layer.kernel, cin, cout), "bias": (cout,)}
    if layer.op in ("token_linear", "linear", "patches"):
        features = layer.out_shape[-1]
        rows = math.prod(layer.out_shape) // features
        return {"weight": (layer.macs // (rows * features), features), "bias": (features,)}
    if layer.op == "class_token":
        return {"weight": (layer.out_shape[-1],)}
    if layer.op in ("polynomial", "relu_or_polynomial"):
        return {"weight": (3, layer.out_shape[0])}
    if layer.op == "position_embedding":
        return {"weight": layer.out_shape}
    scaled = layer.op == "batch_norm" or (layer.op == "layer_norm" and len(step.operators) == 2)
    if scaled:
        features = layer.out_shape[-1] if layer.op == "layer_norm" else layer.out_shape[0]
        return {"weight": (features,), "bias": (features,)}
    return {}
