"""LayerGraph: the blocks of one architecture as a directed acyclic graph on networkx."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from search_spaces.blocks import INPUT, BlockSpec, inputs_read, layers_of
from search_spaces.errors import SpaceError
from search_spaces.slots import Slot

if TYPE_CHECKING:
    import networkx

__all__ = ["expand_layers", "layer_graph"]


def layer_graph(slots: Sequence[Slot], blocks: Mapping[str, BlockSpec | None]) -> networkx.DiGraph:
    """Return the graph of the slots that hold a block; skipped slots pass their first input on.

    Nodes are slot names with the attribute ``block``; the network's input is the node
    ``"input"``. An edge carries ``positions``, the places among the consumer's inputs. Only
    inputs that the block's layers read make edges, so that a slot may name every slot it
    could read and its block, by a choice, decides which ones it does.

    Raises:
        SpaceError: A block reads more inputs than its slot names.
    """
    import networkx

    graph = networkx.DiGraph()
    graph.add_node("input", block=None)
    source = {"input": "input"}
    for slot in slots:
        inputs = [source[name] for name in slot.inputs or ("input",)]
        block = blocks[slot.name]
        if block is None:
            source[slot.name] = inputs[0]
            continue
        source[slot.name] = slot.name
        graph.add_node(slot.name, block=block)
        for position in inputs_read(layers_of(block)) or [block.passes]:
            if position >= len(inputs):
                raise SpaceError(
                    f"The block of slot {slot.name!r} reads input {position}, but the slot "
                    f"names {len(inputs)}: {list(slot.inputs)}."
                )
            before = graph.get_edge_data(inputs[position], slot.name, {"positions": ()})
            positions = (*before["positions"], position)
            graph.add_edge(inputs[position], slot.name, positions=positions)
    return graph


def expand_layers(graph: networkx.DiGraph) -> networkx.DiGraph:
    """Return the graph of primitive layers: nodes (slot, position) with attribute ``layer``."""
    import networkx

    expanded = networkx.DiGraph()
    expanded.add_node("input", layer=None)
    last: dict[str, object] = {"input": "input"}
    for name in networkx.topological_sort(graph):
        if name == "input":
            continue
        source = {
            INPUT - position: last[before]
            for before, _, positions in graph.in_edges(name, data="positions")
            for position in positions
        }
        block = graph.nodes[name]["block"]
        last[name] = source.get(INPUT - block.passes, "input")
        for position, layer in enumerate(layers_of(block)):
            node = (name, position)
            expanded.add_node(node, layer=layer)
            for read in layer.inputs:
                expanded.add_edge(source[read] if read < 0 else (name, read), node)
            last[name] = node
    return expanded
