"""LayerGraph: the blocks of one architecture as a directed acyclic graph on networkx."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from search_spaces.blocks import INPUT, BlockSpec, layers_of
from search_spaces.slots import Slot

if TYPE_CHECKING:
    import networkx

__all__ = ["expand_layers", "layer_graph"]


def layer_graph(
    slots: Sequence[Slot], blocks: Mapping[str, BlockSpec | None]
) -> networkx.DiGraph:
    """Return the graph of the slots that hold a block; skipped slots pass their input on.

    Nodes are slot names with the attribute ``block``; the network's input is the node
    ``"input"``. An edge carries ``position``, the place among the consumer's inputs.
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
        graph.add_node(slot.name, block=block)
        for position, name in enumerate(inputs):
            graph.add_edge(name, slot.name, position=position)
        source[slot.name] = slot.name
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
        edges = sorted(graph.in_edges(name, data="position"), key=lambda edge: int(edge[2]))
        for position, layer in enumerate(layers_of(graph.nodes[name]["block"])):
            node = (name, position)
            expanded.add_node(node, layer=layer)
            for source in layer.inputs:
                if source == INPUT:
                    for before, _, _ in edges:
                        expanded.add_edge(last[before], node)
                else:
                    expanded.add_edge((name, source), node)
            last[name] = node
    return expanded
