"""What the engine computes, in jax: every operator alone, and whole programs.

Runs in the engine's own Python, which has jax and numpy and nothing of this package. Images
are (H, W, C) here: the engine convolves no other layout.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["operator", "plain_inputs", "program"]

Array: TypeAlias = Any

_EPSILON = 1e-5
_RELU_SOFTMAX_EPSILON = 1e-3
_TWO_QUAD_SHIFT = 5.0


def _partitioned(
    x: Array, mask: np.ndarray, kept: Callable[[Array], Array], rest: Callable[[Array], Array]
) -> Array:
    """Apply one function where a public mask is true and another elsewhere.

    Gathering by indices that all parties know is work that each does alone.
    """
    chosen, others = np.flatnonzero(mask), np.flatnonzero(~mask)
    flat = x.reshape(-1)
    made = jnp.concatenate([kept(flat[chosen]), rest(flat[others])])
    return made[np.argsort(np.concatenate([chosen, others]))].reshape(x.shape)


def _polynomial(x: Array, coefficients: Array) -> Array:
    c0, c1, c2 = coefficients
    return (c2 * x + c1) * x + c0


def _relu6(x: Array) -> Array:
    return jnp.clip(x, 0.0, 6.0)


def _by_sum(x: Array) -> Array:
    """Divide rows by their sums: one reciprocal for each row, not for each element."""
    return x * (1.0 / jnp.sum(x, -1, keepdims=True))


def _softmax(x: Array) -> Array:
    return _by_sum(jnp.exp(x - jnp.max(x, -1, keepdims=True)))


def _relu_softmax(x: Array) -> Array:
    x = jnp.maximum(x, 0.0)
    return x * (1.0 / (jnp.sum(x, -1, keepdims=True) + _RELU_SOFTMAX_EPSILON))


def _two_quad(x: Array) -> Array:
    return _by_sum(jnp.square(x + _TWO_QUAD_SHIFT))


def _normalise(x: Array) -> Array:
    centred = x - jnp.mean(x, -1, keepdims=True)
    variance = jnp.mean(centred * centred, -1, keepdims=True)
    return centred * jax.lax.rsqrt(variance + _EPSILON)


def _quadratic(x: Array) -> Array:
    return (0.125 * x + 0.25) * x + 0.5


_ELEMENTWISE: dict[str, Callable[[Array], Array]] = {
    "relu": lambda x: jnp.maximum(x, 0.0),
    "relu6": _relu6,
    "h_swish": lambda x: x * (_relu6(x + 3.0) * (1 / 6)),
    "h_sigmoid": lambda x: _relu6(x + 3.0) * (1 / 6),
    "sigmoid": jax.nn.sigmoid,
    "swish": lambda x: x * jax.nn.sigmoid(x),
    "gelu": lambda x: jax.nn.gelu(x, approximate=True),
    "quadratic": _quadratic,
    "square": lambda x: x * x,
}
_ROWS: dict[str, Callable[[Array], Array]] = {
    "softmax": _softmax,
    "relu_softmax": _relu_softmax,
    "two_quad": _two_quad,
}


def _max_pool(x: Array, kernel: int, stride: int) -> Array:
    pad = (kernel // 2, kernel // 2) if kernel % 2 else (0, 0)
    window, strides = (kernel, kernel, 1), (stride, stride, 1)
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, window, strides, (pad, pad, (0, 0)))


def _mean_pool(x: Array, kernel: int, stride: int, *, padded: bool) -> Array:
    """Return the means of windows; what lies outside the image does not count."""
    height, width = x.shape[:2]
    low = kernel // 2 if padded else 0
    starts = [np.arange(0, side, stride) - low for side in (height, width)]
    inside = [
        np.minimum(start + kernel, side) - np.maximum(start, 0)
        for start, side in zip(starts, (height, width), strict=True)
    ]
    pads = tuple(
        (low, max(0, int(start[-1]) + kernel - side))
        for start, side in zip(starts, (height, width), strict=True)
    )
    sums = jax.lax.reduce_window(
        x, 0.0, jax.lax.add, (kernel, kernel, 1), (stride, stride, 1), (*pads, (0, 0))
    )
    share = 1.0 / np.outer(*inside)[:, :, None]
    return sums * share.astype(np.float32)


def _convolve(x: Array, weight: Array, kernel: int, stride: int, groups: int) -> Array:
    """Convolve (H, W, cin) with (k, k, cin / groups, cout) as a product of matrices.

    The image is unrolled by slices, which every party does alone. The compiler's own rewriting
    of convolutions would cost up to nine times more bytes where the kernel exceeds the image.
    """
    height, width, _ = x.shape
    half = kernel // 2
    x = jnp.pad(x, ((half, half), (half, half), (0, 0)))
    out_height, out_width = (height - 1) // stride + 1, (width - 1) // stride + 1
    windows = [
        x[i : i + height : stride, j : j + width : stride].reshape(out_height * out_width, -1)
        for i in range(kernel)
        for j in range(kernel)
    ]
    parts = []
    for group, kernels in enumerate(jnp.split(weight, groups, -1)):
        cin = kernels.shape[2]
        seen = [window[:, group * cin : (group + 1) * cin] for window in windows]
        parts.append(jnp.concatenate(seen, -1) @ kernels.reshape(-1, kernels.shape[-1]))
    return jnp.concatenate(parts, -1).reshape(out_height, out_width, -1)


def plain_inputs(kind: str, sizes: Sequence[int], rng: np.random.Generator) -> list[Array]:
    """Return random inputs of an operator, of the size that activations have."""

    def normal(*shape: int) -> Array:
        return rng.standard_normal(shape).astype(np.float32)

    if kind == "matmul":
        batch, rows, inner, columns = sizes
        return [normal(batch, rows, inner), normal(batch, inner, columns) / math.sqrt(inner)]
    if kind == "mul":
        return [normal(*sizes), normal(*sizes)]
    if kind == "polynomial":
        return [normal(*sizes), normal(3, *sizes)]
    if kind == "partition":
        return [normal(sizes[0])]
    if kind == "mean":
        return [normal(*sizes, 4)]
    return [normal(*sizes)]


def operator(kind: str, sizes: Sequence[int]) -> Callable[..., Array]:
    """Return the function that computes one operator on the inputs of `plain_inputs`.

    Raises:
        KeyError: There is no such operator.
    """
    if kind == "matmul":
        return lambda x, y: x @ y
    if kind == "mul":
        return lambda x, y: x * y
    if kind == "scale":
        return lambda x: x * 0.37
    if kind == "polynomial":
        return _polynomial
    if kind == "partition":
        elements, kept = sizes
        mask = np.arange(elements) * kept % elements < kept
        return lambda x: _partitioned(x, mask, lambda x: x, lambda x: x)
    if kind == "mean":
        return lambda x: jnp.mean(x, -1)
    if kind == "max_pool":
        return lambda x: jnp.max(x, -1)
    if kind == "layer_norm":
        return _normalise
    if kind in _ROWS:
        return _ROWS[kind]
    return _ELEMENTWISE[kind]


def program(
    steps: Sequence[Mapping[str, Any]], masks: Mapping[str, np.ndarray] | None = None
) -> Callable[[Array, Mapping[str, Array]], Array]:
    """Return the function (input, weights) -> output of a program.

    Args:
        steps: Objects with ``op``, ``inputs`` (positions of steps, -1 for the network's
            input), ``in_shape``, ``out_shape``, ``kernel``, ``stride``, ``groups``,
            ``indices``, ``factor`` and ``name``, under which its weights are found.
        masks: Bool (H, W, C) or (tokens, features) for every step whose activation acts on
            some elements only.
    """

    def run(x: Array, weights: Mapping[str, Array]) -> Array:
        made: list[Array] = []
        for step in steps:
            inputs = [x if source < 0 else made[source] for source in step["inputs"]]
            mask = (masks or {}).get(f"{step['name']}.mask")
            made.append(_run_step(step, inputs, weights, mask))
        return made[-1]

    return run


def _run_step(
    step: Mapping[str, Any],
    inputs: Sequence[Array],
    weights: Mapping[str, Array],
    mask: np.ndarray | None,
) -> Array:
    op, name = step["op"], step["name"]
    x: Array = inputs[0]
    if op in _ELEMENTWISE:
        return _ELEMENTWISE[op](x)
    if op in _ROWS:
        return _ROWS[op](x)
    if op in _STEPS:
        return _STEPS[op](step, inputs)
    weight: Array = weights.get(f"{name}.weight")
    bias: Array = weights.get(f"{name}.bias")
    if op == "polynomial":
        return _polynomial(x, weight)
    if mask is not None:
        return _activate_some(op.partition("_or_")[0], x, mask, weight)
    if op == "layer_norm":
        y = _normalise(x)
        return y if weight is None else y * weight + bias
    if op == "conv2d":
        y = _convolve(x, weight, step["kernel"], step["stride"], step["groups"])
    elif op == "patches":
        y = _patches(x, step["kernel"]) @ weight
    elif op == "token_linear":
        y = x @ weight
    elif op == "linear":
        # The flattened order of a stored image is (C, H, W).
        flat = jnp.transpose(x, (2, 0, 1)).reshape(1, -1) if x.ndim == 3 else x.reshape(1, -1)
        y = (flat @ weight)[0]
    elif op == "class_token":
        return jnp.concatenate([weight[None], x], 0)
    elif op == "position_embedding":
        return x + weight
    elif op == "batch_norm":
        y = x * weight
    else:
        raise ValueError(f"the operator {op!r} is not implemented")
    return y if bias is None else y + bias


def _activate_some(act: str, x: Array, mask: np.ndarray, coefficients: Array | None) -> Array:
    """Activate elements where the mask is true; the rest takes a polynomial, if any.

    Coefficients are (3, C), a polynomial for each channel of a map (H, W, C).
    """
    channel = np.flatnonzero(~mask) % mask.shape[-1]
    rest = (
        (lambda x: x)
        if coefficients is None
        else (lambda x: _polynomial(x, coefficients[:, channel]))
    )
    return _partitioned(x, mask, _ELEMENTWISE[act], rest)


def _patches(x: Array, side: int) -> Array:
    """Return square patches (rows columns, C side side) of an image (H, W, C)."""
    height, width, cin = x.shape
    x = x.reshape(height // side, side, width // side, side, cin)
    return jnp.transpose(x, (0, 2, 4, 1, 3)).reshape(-1, cin * side * side)


def _split_heads(step: Mapping[str, Any], inputs: Sequence[Array]) -> Array:
    heads, tokens, features = step["out_shape"]
    return jnp.transpose(inputs[0].reshape(tokens, heads, features), (1, 0, 2))


def _merge_heads(step: Mapping[str, Any], inputs: Sequence[Array]) -> Array:
    tokens, features = step["out_shape"]
    return jnp.transpose(inputs[0], (1, 0, 2)).reshape(tokens, features)


def _gate(step: Mapping[str, Any], inputs: Sequence[Array]) -> Array:
    x, gate = inputs
    return x * gate


def _shuffle(step: Mapping[str, Any], inputs: Sequence[Array]) -> Array:
    x = inputs[0]
    height, width, channels = x.shape
    x = x.reshape(height, width, step["groups"], channels // step["groups"])
    return jnp.swapaxes(x, -1, -2).reshape(height, width, channels)


_STEPS: dict[str, Callable[[Mapping[str, Any], Sequence[Array]], Array]] = {
    "add": lambda step, inputs: inputs[0] + inputs[1],
    "mul": _gate,
    "mean": lambda step, inputs: sum(inputs[1:], inputs[0]) * (1.0 / len(inputs)),
    "zero": lambda step, inputs: jnp.zeros_like(inputs[0]),
    "scale": lambda step, inputs: inputs[0] * step["factor"],
    "scale_attention": lambda step, inputs: inputs[0] * (1.0 / inputs[0].shape[-1]),
    "matmul": lambda step, inputs: inputs[0] @ inputs[1],
    "transpose": lambda step, inputs: jnp.swapaxes(inputs[0], -1, -2),
    "split_heads": _split_heads,
    "merge_heads": _merge_heads,
    "select_heads": lambda step, inputs: inputs[0][np.array(step["indices"])],
    "join_heads": lambda step, inputs: jnp.concatenate(inputs, 0)[np.array(step["indices"])],
    "concat": lambda step, inputs: jnp.concatenate(inputs, -1),
    "channel_shuffle": _shuffle,
    "global_avg_pool": lambda step, inputs: jnp.mean(inputs[0], (0, 1), keepdims=True),
    "token_pool": lambda step, inputs: jnp.mean(inputs[0][1:], 0),
    "max_pool": lambda step, inputs: _max_pool(inputs[0], step["kernel"], step["stride"]),
    "avg_pool": lambda step, inputs: _mean_pool(
        inputs[0], step["kernel"], step["stride"], padded=False
    ),
    "padded_avg_pool": lambda step, inputs: _mean_pool(
        inputs[0], step["kernel"], step["stride"], padded=True
    ),
}
