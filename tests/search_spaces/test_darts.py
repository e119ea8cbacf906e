"""DARTS's space against its published size and networks."""

from __future__ import annotations

import math

import networkx
import numpy as np
import pytest

from predictors import Macs, Params, compile_cost
from search_spaces import SearchSpace, SpaceError, get_space
from search_spaces.blocks import FactorizedReduce, PreActConv
from search_spaces.darts import OPERATIONS
from search_spaces.published import published_subnets


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return get_space("darts")


def test_size(space: SearchSpace) -> None:
    """Section 3.1: of every node two of the states before it, and of seven operations for each."""
    pairs = [math.comb(states, 2) for states in range(2, 6)]
    assert len(OPERATIONS) == 7
    assert space.size == math.prod(n * 7**2 for n in pairs) ** 2
    assert round(math.log10(space.size)) == 18


def test_extremes(space: SearchSpace) -> None:
    macs, params = compile_cost(space, Macs()), compile_cost(space, Params())
    assert (macs.minimum().value, macs.maximum().value) == (227_272_320, 817_833_600)
    assert (params.minimum().value, params.maximum().value) == (1_370_134, 5_144_086)


def test_the_published_cells_on_imagenet() -> None:
    (subnet,) = (s for s in published_subnets() if s.name == "DARTS_V2 on ImageNet")
    space = get_space(subnet.space, **subnet.options)
    assert compile_cost(space, Params()).of(subnet.architecture) == 4_718_752
    assert compile_cost(space, Macs()).of(subnet.architecture) == 529_911_552
    assert space.blocks(subnet.architecture)["head"].in_shape == (768, 7, 7)


def test_cells_reduce_after_a_third_and_two_thirds(space: SearchSpace) -> None:
    blocks = space.blocks(space.decode([0] * len(space.choices)))
    widths = [blocks[f"cell{cell}.concat"].cin for cell in range(20)]
    assert widths == [36] * 6 + [72] * 7 + [144] * 7
    assert isinstance(blocks["cell6.state0"], PreActConv)
    assert isinstance(blocks["cell7.state0"], FactorizedReduce)


def test_every_slot_of_every_cell_reaches_the_classifier(space: SearchSpace) -> None:
    for architecture in space.decode_all(space.sample(10, np.random.default_rng(0))):
        graph = space.layer_graph(architecture)
        assert networkx.ancestors(graph, "head") | {"head"} == set(graph)


def test_a_node_reads_two_different_states(space: SearchSpace) -> None:
    cell = {**space.decode([0] * len(space.choices)), "normal_3_inputs": "1,1"}
    with pytest.raises(SpaceError, match=r"normal_3_inputs.*'0,2'"):
        space.encode(cell)


def test_too_narrow_a_network_is_refused() -> None:
    with pytest.raises(SpaceError, match="width must be at least 2, got 1"):
        get_space("darts", width=1)
