"""NASNet's space against NASNet-A as published, and the identity of its cells."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import networkx
import numpy as np
import pytest

from predictors import Macs, Params, compile_cost
from search_spaces import Architecture, SearchSpace, SpaceError, get_space
from search_spaces.blocks import BlockSpec, Concat, Conv, FactorizedReduce, SeparableConv
from search_spaces.nasnet import OPERATIONS
from search_spaces.published import published_subnets
from tests.small_spaces import SMALL


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return get_space("nasnet")


@pytest.fixture(scope="module")
def nasnet_a() -> Architecture:
    return next(s.architecture for s in published_subnets() if s.name.startswith("NASNet-A"))


def test_size(space: SearchSpace) -> None:
    """Of every node an unordered pair of operations on states, in both kinds of cells."""
    pairs = [len(OPERATIONS) * states for states in range(2, 7)]
    assert len(OPERATIONS) == 13
    assert space.size == math.prod(n * (n + 1) // 2 for n in pairs) ** 2


def test_extremes(space: SearchSpace) -> None:
    macs, params = compile_cost(space, Macs()), compile_cost(space, Params())
    assert (macs.minimum().value, macs.maximum().value) == (108_956_480, 3_776_416_320)
    assert (params.minimum().value, params.maximum().value) == (1_044_376, 31_910_739)


def test_cells_concatenate_the_states_of_the_published_code(
    space: SearchSpace, nasnet_a: Architecture
) -> None:
    blocks = space.blocks(nasnet_a)
    joined = {slot: b.sources for slot, b in blocks.items() if isinstance(b, Concat)}
    assert len(joined) == 2 + 3 * 4 + 2
    for slot, states in joined.items():
        normal = slot.startswith("stage")
        assert states == ((0, 2, 3, 4, 5, 6) if normal else (3, 4, 5, 6))
    assert blocks["head"].in_shape == (1056, 7, 7)


def _padded_excess(slot: str, block: BlockSpec | None) -> float:
    """Return what a row and a column more cost in the first half of a separable convolution."""
    if not isinstance(block, SeparableConv) or not slot.startswith(("stem_cell2", "reduction")):
        return 0
    depthwise, pointwise = [layer for layer in block.layers() if layer.op == "conv2d"][:2]
    side = depthwise.out_shape[-1]
    return (depthwise.macs + pointwise.macs) / side**2 * ((side + 1) ** 2 - side**2)


def test_the_pytorch_port_pads_by_a_pixel_more(
    space: SearchSpace, nasnet_a: Architecture, shared_data: Path
) -> None:
    """It crops what it computed too much: 568.2 M for the 564 M that are published."""
    entries = json.loads((shared_data / "published_architectures.json").read_text())["entries"]
    (port,) = (entry for entry in entries if entry["name"] == "cadene/NASNetAMobile")
    macs = compile_cost(space, Macs()).of(nasnet_a)
    excess = sum(_padded_excess(*item) for item in space.blocks(nasnet_a).items())
    assert macs == 563_638_816
    assert macs + excess == port["macs"] == 568_234_858


def test_exchanged_operands_are_one_cell(space: SearchSpace, nasnet_a: Architecture) -> None:
    def exchanged(*fields: str) -> str:
        names = [(f"normal_2_a_{field}", f"normal_2_b_{field}") for field in fields]
        moved = {a: nasnet_a[b] for a, b in names} | {b: nasnet_a[a] for a, b in names}
        return space.id_of({**nasnet_a, **moved})

    own = space.id_of(nasnet_a)
    assert exchanged("input", "operation") == own
    assert exchanged("input") != own
    assert exchanged("operation") == exchanged("input")


def test_exchanged_operands_compute_the_same() -> None:
    """Weights moved with their operations."""
    torch = pytest.importorskip("torch")
    from search_spaces import Supernet

    space = get_space("nasnet", **SMALL["nasnet"])
    row = space.sample(1, np.random.default_rng(0))[0]
    other = row.reshape(-1, 2, 2)[:, ::-1].reshape(-1)  # operand, then state and operation
    assert not np.array_equal(row, other)
    assert len(np.unique(space.keys(np.stack([row, other])))) == 1
    net = Supernet(space).double().eval()
    nets = [net.subnet(space.decode(r)) for r in (row, other)]
    state = {
        re.sub(r"(?<=_node\d_)[ab]", lambda found: "ba"["ab".index(found[0])], name): tensor
        for name, tensor in nets[0].state_dict().items()
    }
    nets[1].load_state_dict(state)
    x = torch.randn(2, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.allclose(nets[0](x), nets[1](x), rtol=1e-10)


def test_every_slot_of_every_cell_reaches_the_classifier(space: SearchSpace) -> None:
    """Also where no node reads a cell's input: it is concatenated."""
    rows = space.sample(30, np.random.default_rng(0))
    assert (rows[-1] >= 0).all()
    rows[-1] = 0  # all nodes read state 0
    for architecture in space.decode_all(rows):
        graph = space.layer_graph(architecture)
        assert networkx.ancestors(graph, "head") | {"head"} == set(graph)


def test_unread_inputs_of_a_cell_are_concatenated(space: SearchSpace) -> None:
    only_0 = space.decode([0] * len(space.choices))
    blocks = space.blocks(only_0)
    assert blocks["stage1.0.concat"].sources == tuple(range(7))
    assert blocks["reduction1.concat"].sources == (1, 2, 3, 4, 5, 6)
    assert isinstance(blocks["reduction1.reduce1"], FactorizedReduce)
    assert blocks["reduction1.reduce0"] is None


def test_pools_of_the_unprojected_image_are_projected(
    space: SearchSpace, nasnet_a: Architecture
) -> None:
    """Only the first cell has an input with other channels than its nodes."""
    pooled = {**nasnet_a, "reduction_2_b_operation": "max_pool_3x3"}
    blocks = space.blocks(Architecture(pooled))
    assert blocks["stem_cell1.node2.b.project"] == Conv(32, 11, 56, act=None)
    assert blocks["stem_cell1.node2.a.project"] is None
    assert not any("project" in slot for slot in blocks if not slot.startswith("stem_cell1"))


@pytest.mark.parametrize(("passed_over", "source"), [(False, "stage1.1"), (True, "stage1.0")])
def test_what_the_cell_after_a_reduction_reads(passed_over: bool, source: str) -> None:
    options = {**SMALL["nasnet"], "cells": 2, "skip_reduction_input": passed_over}
    space = get_space("nasnet", **options)
    graph = space.layer_graph(space.decode([0] * len(space.choices)))
    assert list(graph.predecessors("stage2.0.state0")) == [f"{source}.concat"]
    assert list(graph.predecessors("stage2.1.state0")) == ["reduction1.concat"]


def test_too_few_filters_are_refused() -> None:
    with pytest.raises(SpaceError, match="filters must be at least 192, got 96"):
        get_space("nasnet", filters=96)
