"""Features of architectures for learned predictors: arrays from populations, by name.

    one_hot        the canonical encoding of `SearchSpace.one_hot`
    live_one_hot   likewise, all zero too for a choice that no path from input to output reads
    layers         for each kind of layer that runs how many, their MACs and output elements
    merged_layers  likewise, equal layers that read the same once
    read_layers    likewise of what the output reads
    folded_layers  likewise, with convolutions whose weights a converter sets to zero
    live_layers    likewise of what depends on the input, see `execution`

Batch norm, activations and views are left out of layers: runtimes fuse them into the layer
before, and otherwise they come with it. Names joined by ``+`` stand side by side.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from predictors.errors import PredictorError
from predictors.learned.execution import Execution, View
from search_spaces import Population, SearchSpace
from search_spaces.blocks import BlockSpec, Layer, layers_of
from search_spaces.errors import nearest

__all__ = ["FEATURES", "Encoder", "layer_features", "layer_kinds"]

FEATURES: dict[str, View | None] = {
    "one_hot": None,
    "live_one_hot": None,
    "layers": "all",
    "merged_layers": "merged",
    "read_layers": "read",
    "folded_layers": "folded",
    "live_layers": "live",
}
_COUNTED = frozenset(
    {
        "conv2d",
        "linear",
        "matmul",
        "global_avg_pool",
        "avg_pool",
        "padded_avg_pool",
        "max_pool",
        "add",
        "mul",
        "zero",
        "concat",
        "channel_shuffle",
    }
)
_CHUNK = 8192


def layer_kinds(block: BlockSpec) -> dict[str, tuple[float, float, float]]:
    """Return by kind of layer how many a block has, their MACs and their output elements."""
    kinds: dict[str, tuple[float, float, float]] = {}
    for layer in layers_of(block):
        if layer.op in _COUNTED or layer.macs:
            name = _kind(layer)
            count, macs, elements = kinds.get(name, (0.0, 0.0, 0.0))
            size = float(np.prod(layer.out_shape))
            kinds[name] = (count + 1.0, macs + layer.macs, elements + size)
    return kinds


def _kind(layer: Layer) -> str:
    """Return what tells layers apart whose cost per operation differs."""
    if layer.op != "conv2d":
        return layer.op
    depthwise = layer.groups > 1 and layer.groups == layer.in_shape[0]
    grouped = "depthwise" if depthwise else "grouped" if layer.groups > 1 else "conv"
    return f"{grouped}{layer.kernel}"


def layer_features(space: SearchSpace, block: BlockSpec) -> NDArray[np.float64]:
    """Return what a block adds to the features ``layers`` of a network, float64 [k].

    Args:
        space: The space.
        block: One of its blocks.
    """
    return _tables(space).row(layer_kinds(block))


class Encoder:
    """Turns populations of one space into features.

    Args:
        space: The space.
        name: One of `FEATURES`, or several joined by ``+``.

    Raises:
        PredictorError: There are no such features.
    """

    def __init__(self, space: SearchSpace, name: str) -> None:
        self.space = space
        self.name = name
        self._parts = name.split("+")
        for part in self._parts:
            if part not in FEATURES:
                raise PredictorError(f"There are no features {part!r}. {nearest(part, FEATURES)}")

    def __call__(self, population: Population) -> NDArray[np.float64]:
        """Return the features, float64 [n, k], for a population [n, d]."""
        chunks = [
            np.concatenate([self._encode(part, rows) for part in self._parts], axis=1)
            for start in range(0, max(len(population), 1), _CHUNK)
            for rows in (population[start : start + _CHUNK],)
        ]
        return np.concatenate(chunks)

    def _encode(self, part: str, population: Population) -> NDArray[np.float64]:
        view = FEATURES[part]
        if view is not None:
            return _tables(self.space)(population, view)
        result = self.space.one_hot(population).astype(np.float64)
        if part == "live_one_hot":
            reached = _tables(self.space).execution.reaches(population)
            result *= np.repeat(reached, self.space.option_counts, axis=1)
        return result


class _LayerTables:
    """The layers of every block of a space, as arrays."""

    def __init__(self, space: SearchSpace) -> None:
        self.execution = Execution(space)
        kinds = [layer_kinds(b) if b is not None else {} for b in space.grid.blocks]
        self._names = sorted({name for found in kinds for name in found})
        self._values = np.stack([self.row(found) for found in kinds])
        self._only_adds = np.zeros(len(kinds), dtype=np.bool_)
        for row, block in enumerate(space.grid.blocks):
            self._only_adds[row] = block is not None and all(
                layer.op == "add" for layer in layers_of(block)
            )

    def row(self, kinds: Mapping[str, tuple[float, float, float]]) -> NDArray[np.float64]:
        """Return what `layer_kinds` found in a block as features, float64 [3 * kinds]."""
        nothing = (0.0, 0.0, 0.0)
        return np.array([kinds.get(name, nothing) for name in self._names]).ravel()

    def __call__(self, population: Population, view: View) -> NDArray[np.float64]:
        """Return the sums over what runs, float64 [n, 3 * kinds]."""
        blocks = self.execution.blocks(population)
        share = self.execution.runs(blocks, view).astype(np.float64)
        if view in ("read", "folded", "live") and self._only_adds.any():
            share *= self._share_of_adds(blocks, view)
        total = np.zeros((len(population), self._values.shape[1]))
        for slot in range(blocks.shape[1]):
            total += share[:, slot, None] * self._values[blocks[:, slot]]
        return total

    def _share_of_adds(self, blocks: NDArray[np.int32], view: View) -> NDArray[np.float64]:
        """Return the share of a sum's additions that are left, 1 for any other block."""
        left = np.maximum(self.execution.operands(blocks, view) - 1, 0)
        whole = np.maximum(self.execution.operands(blocks, "all") - 1, 1)
        return np.where(self._only_adds[blocks], left / whole, 1.0)


@lru_cache(maxsize=8)
def _tables(space: SearchSpace) -> _LayerTables:
    return _LayerTables(space)
