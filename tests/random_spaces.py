"""Hypothesis strategies for small random search spaces, and brute force to check them by."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from hypothesis import strategies as st

from predictors import Provenance
from search_spaces import Option, Population, SearchSpace, SpaceBuilder
from search_spaces.blocks import BlockSpec, Conv

# Blocks that keep the shape, so that any of them, or none, fits behind any other.
POOL: tuple[BlockSpec | None, ...] = (None, *(Conv(4, 4, 8, kernel=k) for k in (1, 3, 5)))
DRAWN = Provenance("analytic", "drawn")
OPTIONS: tuple[Option, ...] = (7, 3, 0.5, "skip", 12)


@st.composite
def random_spaces(draw: st.DrawFn, *, folds: bool = True) -> SearchSpace:
    """A space of a few choices, perhaps a fold, and slots with random tables of few blocks.

    Different options of a slot often make the same block, and choices are often read by some
    slots only, by none, or through the fold.
    """
    builder = SpaceBuilder("random")
    choices = [
        builder.choice(f"c{i}", OPTIONS[: draw(st.integers(1, 3))])
        for i in range(draw(st.integers(1, 5)))
    ]
    sizes = {name: len(options) for name, options in _declared(builder)}
    readable = list(choices)
    if folds and draw(st.booleans()):
        readable.append(_draw_fold(draw, builder, choices))
        sizes[readable[-1]] = 2
    for i in range(draw(st.integers(1, 4))):
        reads = draw(st.lists(st.sampled_from(readable), max_size=3, unique=True))
        entries = int(np.prod([sizes[name] for name in reads], dtype=int))
        made = draw(st.lists(st.sampled_from(POOL), min_size=entries, max_size=entries))
        options = [_options(builder, name) for name in reads]
        builder.slot(f"slot.{i}", reads=reads, block=_lookup(options, made))
    return builder.build()


@st.composite
def tree_spaces(draw: st.DrawFn) -> SearchSpace:
    """A space whose canonical form is unique for each network.

    A shared choice is told by the stem; each slot reads it and choices of its own, as depth,
    kernel and expansion are read in published spaces.
    """
    builder = SpaceBuilder("tree")
    shared = builder.choice("shared", OPTIONS[: draw(st.integers(1, 3))])
    stems = [Conv(4, 4, 8, kernel=k) for k in (1, 3, 5)]
    stem_options = _options(builder, shared)
    builder.slot("stem", reads=(shared,), block=_lookup([stem_options], stems))
    for i in range(draw(st.integers(1, 3))):
        own = [
            builder.choice(f"own{i}_{j}", OPTIONS[: draw(st.integers(1, 3))])
            for j in range(draw(st.integers(0, 2)))
        ]
        options = [_options(builder, name) for name in (shared, *own)]
        entries = int(np.prod([len(o) for o in options], dtype=int))
        made = draw(st.lists(st.sampled_from(POOL), min_size=entries, max_size=entries))
        builder.slot(f"slot.{i}", reads=(shared, *own), block=_lookup(options, made))
    return builder.build()


def _draw_fold(draw: st.DrawFn, builder: SpaceBuilder, choices: Sequence[str]) -> str:
    """Declare a fold of two states with a random automaton."""
    reads = draw(st.lists(st.sampled_from(choices), min_size=1, max_size=3))
    options = sorted({o for name in reads for o in _options(builder, name)}, key=str)
    keys = list(itertools.product((0, 1), options))
    after = draw(st.lists(st.integers(0, 1), min_size=len(keys), max_size=len(keys)))
    moves = dict(zip(keys, after, strict=True))
    return builder.fold(
        "fold",
        reads=reads,
        states=(0, 1),
        initial=draw(st.integers(0, 1)),
        step=lambda state, option: moves[state, option],  # type: ignore[index]
    )


def _declared(builder: SpaceBuilder) -> list[tuple[str, tuple[Option, ...]]]:
    return [(choice.name, choice.options) for choice in builder._choices]


def _options(builder: SpaceBuilder, name: str) -> tuple[Option, ...]:
    return {**dict(_declared(builder)), "fold": (0, 1)}[name]


def _lookup(
    options: Sequence[Sequence[Option]], made: Sequence[BlockSpec | None]
) -> Callable[..., BlockSpec | None]:
    """Return a block function that looks its block up."""
    combinations = itertools.product(*options)
    table = dict(zip(combinations, made, strict=False))
    return lambda *values: table[values]


def every_row(space: SearchSpace) -> Population:
    """Return all combinations of options, canonical or not."""
    rows = itertools.product(*(range(len(choice.options)) for choice in space.choices))
    return np.array(list(rows), dtype=np.int16).reshape(-1, len(space.choices))


def networks(space: SearchSpace, population: Population) -> list[Hashable]:
    """Return what every row builds, the slow way."""
    return [tuple(space.blocks(a).items()) for a in space.decode_all(population)]


@dataclass(frozen=True)
class PricedByKernel:
    """A cost model with any prices, negative ones too; the pool's blocks differ in kernel."""

    prices: dict[int, float]
    reduce: Literal["sum", "max"] = "sum"
    constant: float = 0.0
    metric: str = "price"
    provenance: Provenance = DRAWN

    def __call__(self, block: BlockSpec) -> float:
        assert isinstance(block, Conv)
        return self.prices[block.kernel]


def prices(reduce: Literal["sum", "max"]) -> st.SearchStrategy[PricedByKernel]:
    """Cost models over the pool's blocks."""
    price = st.integers(-20, 20).map(float)
    table = st.fixed_dictionaries({1: price, 3: price, 5: price})
    return st.builds(PricedByKernel, table, st.just(reduce), st.sampled_from([0.0, 2.5]))
