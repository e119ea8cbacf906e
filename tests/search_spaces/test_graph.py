"""LayerGraph: chains, skipped slots, branches, blocks with several inputs, wiring choices."""

from __future__ import annotations

import itertools

import networkx
import numpy as np
import pytest
from hypothesis import given

from search_spaces import SearchSpace, SpaceBuilder, SpaceError
from search_spaces.blocks import INPUT, BlockSpec, Conv, Layer, Select, Shape, Tape, layers_of
from search_spaces.blocks.spec import block_family
from search_spaces.graph import expand_layers
from tests.random_spaces import random_spaces


@block_family
class Join(BlockSpec):
    """Adds two of its three inputs, or doubles one: a cell's node with a wiring choice."""

    channels: int
    first: int
    second: int

    @property
    def in_shape(self) -> Shape:
        return (self.channels, 8, 8)

    @property
    def in_shapes(self) -> tuple[Shape, ...]:
        return (self.in_shape,) * 3

    def layers(self) -> list[Layer]:
        tape = Tape(*self.in_shapes)
        tape.add(INPUT - self.first, INPUT - self.second)
        return tape.layers


@block_family
class Identity(BlockSpec):
    channels: int

    @property
    def in_shape(self) -> Shape:
        return (self.channels, 8, 8)

    def layers(self) -> list[Layer]:
        return []


def cell(block=None) -> SearchSpace:
    builder = SpaceBuilder("cell")
    first = builder.choice("first", (0, 1, 2))
    second = builder.choice("second", (0, 1, 2))
    skip = builder.choice("skip", (False, True))
    builder.slot("a", block=lambda: Conv(4, 4, 8, kernel=1))
    builder.slot("b", reads=(skip,), block=lambda s: None if s else Conv(4, 4, 8, kernel=3))
    builder.slot("c", inputs=("a",), block=lambda: Conv(4, 4, 8, kernel=5))
    builder.slot(
        "node",
        reads=(first, second),
        inputs=("a", "b", "c"),
        block=block or (lambda i, j: Join(4, i, j)),
    )
    return builder.build()


def graph(space: SearchSpace, **options: int) -> networkx.DiGraph:
    return space.layer_graph(space.decode([options.get(c.name, 0) for c in space.choices]))


def edges(found: networkx.DiGraph) -> set[tuple[str, str, tuple[int, ...]]]:
    return set(found.edges(data="positions"))


def test_a_wiring_choice_decides_which_inputs_make_edges() -> None:
    chain = {("input", "a", (0,)), ("a", "b", (0,)), ("a", "c", (0,))}
    assert edges(graph(cell(), first=1, second=2)) == chain | {
        ("b", "node", (1,)),
        ("c", "node", (2,)),
    }
    assert edges(graph(cell(), first=0, second=0)) == chain | {("a", "node", (0,))}


def test_a_skipped_slot_passes_its_input_on() -> None:
    found = graph(cell(), first=0, second=1, skip=1)
    assert edges(found) == {("input", "a", (0,)), ("a", "c", (0,)), ("a", "node", (0, 1))}


def test_wiring_is_part_of_the_id() -> None:
    space = cell()
    rows = np.array([[i, j, 0] for i in range(3) for j in range(3)], dtype=np.int16)
    assert len(set(space.ids(rows))) == 9


def test_a_block_must_not_read_more_inputs_than_its_slot_has() -> None:
    builder = SpaceBuilder("few")
    builder.slot("a", block=lambda: Conv(4, 4, 8))
    builder.slot("node", block=lambda: Join(4, 0, 2))
    space = builder.build()
    with pytest.raises(SpaceError, match=r"'node' reads input 2, but the slot names 1: \['a'\]"):
        graph(space)


@given(random_spaces())
def test_chains_hold_the_blocks_in_order(space: SearchSpace) -> None:
    architecture = space.decode_all(space.sample(1, np.random.default_rng(0)))[0]
    present = {name: b for name, b in space.blocks(architecture).items() if b is not None}
    found = space.layer_graph(architecture)
    assert list(found) == ["input", *present]
    assert {name: found.nodes[name]["block"] for name in present} == present
    order = ["input", *present]
    assert list(found.edges) == list(itertools.pairwise(order))


def test_expansion_into_primitive_layers() -> None:
    expanded = expand_layers(graph(cell(), first=2, second=0))
    assert networkx.is_directed_acyclic_graph(expanded)
    layers = [data["layer"] for node, data in expanded.nodes(data=True) if node != "input"]
    assert len(layers) == 3 * len(layers_of(Conv(4, 4, 8))) + 1
    assert set(expanded.predecessors(("node", 0))) == {("a", 2), ("c", 2)}
    assert list(expanded.predecessors(("a", 0))) == ["input"]
    depth = networkx.dag_longest_path_length(expanded)
    assert depth == 3 + 3 + 1  # a, c, node


def test_a_block_without_layers_passes_its_input_on() -> None:
    builder = SpaceBuilder("identity")
    builder.slot("a", block=lambda: Conv(4, 4, 8))
    builder.slot("b", block=lambda: Identity(4))
    builder.slot("c", block=lambda: Conv(4, 4, 8))
    found = graph(builder.build())
    assert list(found.edges) == [("input", "a"), ("a", "b"), ("b", "c")]
    assert list(expand_layers(found).predecessors(("c", 0))) == [("a", 2)]
    assert Identity(4).out_shape == (4, 8, 8)


def selection() -> SearchSpace:
    builder = SpaceBuilder("selection")
    source = builder.choice("source", (0, 1))
    builder.slot("a", block=lambda: Conv(4, 4, 8))
    builder.slot("b", block=lambda: Conv(4, 6, 8, stride=2))
    builder.slot(
        "pick", reads=(source,), inputs=("a", "b"), block=lambda s: Select((4, 6), (8, 4), s)
    )
    builder.slot("c", reads=(source,), block=lambda s: Conv((4, 6)[s], 4, (8, 4)[s]))
    return builder.build()


def test_a_selection_passes_the_chosen_input_on() -> None:
    for source, (slot, shape) in enumerate((("a", (4, 8, 8)), ("b", (6, 4, 4)))):
        found = graph(selection(), source=source)
        assert edges(found) >= {(slot, "pick", (source,)), ("pick", "c", (0,))}
        assert not found.has_edge("ba"[source], "pick")
        assert found.nodes["pick"]["block"].out_shape == shape
        assert list(expand_layers(found).predecessors(("c", 0))) == [(slot, 2)]


def test_a_selection_of_no_input_is_refused() -> None:
    with pytest.raises(SpaceError, match="2 inputs has no input 2"):
        layers_of(Select((4, 6), (8, 4), 2))
