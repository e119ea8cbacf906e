"""NAS-Bench-201 against the benchmark's table of all 15,625 cells."""

from __future__ import annotations

import itertools
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from predictors import Macs, Params, PeakMemory, compile_cost
from search_spaces import Population, SearchSpace, SpaceError, get_space
from search_spaces.nasbench201 import EDGES, OPERATIONS

CLASSIFIER_BIAS = 10
"""The benchmark counts the additions of the classifier's bias; we do not."""


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return get_space("nasbench201")


@pytest.fixture
def table(shared_data: Path) -> dict[str, np.ndarray]:
    with np.load(shared_data / "nasbench201_cifar10.npz", allow_pickle=False) as file:
        return dict(file)


@pytest.fixture(scope="module")
def cells() -> Population:
    """Every cell."""
    rows = itertools.product(range(len(OPERATIONS)), repeat=len(EDGES))
    return np.array(list(rows), dtype=np.int16)


def _population(table: dict[str, np.ndarray]) -> Population:
    """Return the cells of the table in its order."""
    assert tuple(table["op_names"]) == OPERATIONS
    assert tuple(table["edges"]) == tuple(f"{start}-{end}" for start, end in EDGES)
    return table["ops"].astype(np.int16)


def test_size(space: SearchSpace, cells: Population) -> None:
    """15,625 cells are published; 9,240 of them are different networks."""
    assert np.prod(space.option_counts.astype(int)) == len(cells) == 15_625
    assert space.size == len(np.unique(space.keys(cells))) == len(space.unique(cells)) == 9_240


def test_extremes(space: SearchSpace) -> None:
    macs, params = compile_cost(space, Macs()), compile_cost(space, Params())
    assert (macs.minimum().value, macs.maximum().value) == (7_783_040, 220_119_680)
    assert (params.minimum().value, params.maximum().value) == (73_306, 1_531_546)


def test_counts_of_every_cell_are_the_published_ones(
    space: SearchSpace, table: dict[str, np.ndarray]
) -> None:
    """Equal after the rounding of the table, float32 millions."""
    population = _population(table)
    macs, params = compile_cost(space, Macs()), compile_cost(space, Params())
    flops = macs(population) + CLASSIFIER_BIAS
    assert np.array_equal((flops / 1e6).astype(np.float32), table["flops_m"])
    assert np.array_equal((params(population) / 1e6).astype(np.float32), table["params_m"])


def _published_text(operations: tuple[str, ...]) -> str:
    """Return the text by which the benchmark tells its 6,466 unique cells."""
    node = ["0", "", "", ""]
    for end in (1, 2, 3):
        terms = []
        for (start, to), operation in zip(EDGES, operations, strict=True):
            if to != end:
                continue
            if operation == "none" or node[start] == "#":
                terms.append("#")
            else:
                skip = operation == "skip_connect"
                terms.append(node[start] if skip else f"({node[start]})@{operation}")
        node[end] = "+".join(sorted(terms))
    return node[3]


def _function(operations: tuple[str, ...]) -> str:
    """Return what a cell computes, sums flat and without zeros."""
    node: list[list[str]] = [["0"], [], [], []]
    for (start, end), operation in zip(EDGES, operations, strict=True):
        if operation != "none" and node[start]:
            applied = [f"({'+'.join(sorted(node[start]))})@{operation}"]
            node[end] = node[end] + (node[start] if operation == "skip_connect" else applied)
    return "+".join(sorted(node[3]))


def _most(inner: list[str], outer: list[str]) -> int:
    """Return in how many outer classes an inner class lies at most."""
    found: dict[str, set[str]] = defaultdict(set)
    for one, other in zip(inner, outer, strict=True):
        found[one].add(other)
    return max(map(len, found.values()))


def test_ids_refine_what_the_published_unique_cells_compute(
    space: SearchSpace, table: dict[str, np.ndarray]
) -> None:
    """The 6,466 unique cells and our ids both lie within 4,930 functions.

    The published text joins cells of unlike parameters (578 of its classes), so it cannot be
    the id of a network whose parameters it must decide; and it splits equal sums by the order
    of their terms, so that it is no refinement either.
    """
    population = _population(table)
    cells = [tuple(OPERATIONS[i] for i in row) for row in population]
    texts = [_published_text(cell) for cell in cells]
    published = [str(number) for number in table["unique_id"]]
    assert len(set(texts)) == 6_466
    assert _most(texts, published) == _most(published, texts) == 1
    functions = [_function(cell) for cell in cells]
    assert len(set(functions)) == 4_930
    assert _most(published, functions) == _most(space.ids(population), functions) == 1
    params = compile_cost(space, Params())(population)
    unlike = {(p, c) for p, c in zip(published, params, strict=True)}
    assert sum(np.unique([p for p, _ in unlike], return_counts=True)[1] > 1) == 578


def test_isomorphic_cells_cost_the_same(space: SearchSpace, cells: Population) -> None:
    """They place the same operations on other edges."""
    first = space.representative(cells)
    assert np.array_equal(np.sort(first, axis=1), np.sort(cells, axis=1))
    for model in (Macs(), Params(), PeakMemory()):
        cost = compile_cost(space, model)
        assert np.array_equal(cost(first), cost(cells))


def _graph(row: np.ndarray) -> tuple[list[tuple[int, list[int]]], list[int]]:
    """Return the operations with what they read, and what the output sums."""
    node: list[list[int]] = [[-1], [], [], []]
    made: list[tuple[int, list[int]]] = []
    for (start, end), operation in zip(EDGES, row.tolist(), strict=True):
        if operation == 1:
            node[end] = node[end] + node[start]
        elif operation:
            node[end] = [*node[end], len(made)]
            made.append((operation, node[start]))
    return made, sorted(node[3])


def _isomorphic(one: np.ndarray, other: np.ndarray) -> bool:
    """Return whether some renaming of operations turns one cell into the other."""
    (made, out), (made_2, out_2) = _graph(one), _graph(other)
    if len(made) != len(made_2):
        return False
    for order in itertools.permutations(range(len(made))):
        to = [*order, -1]  # position -1, the input, stays
        renamed = (
            (made_2[order[i]][0], sorted(made_2[order[i]][1]))
            == (operation, sorted(to[r] for r in reads))
            for i, (operation, reads) in enumerate(made)
        )
        if all(renamed) and sorted(to[r] for r in out) == out_2:
            return True
    return False


def test_equal_ids_mean_isomorphic_graphs(space: SearchSpace, cells: Population) -> None:
    """The form against a search over all renamings, on cells whose id is another's."""
    first = space.representative(cells)
    moved = np.flatnonzero((first != cells).any(axis=1))
    assert len(moved) == 15_625 - 9_240
    for position in np.random.default_rng(0).choice(moved, 400, replace=False):
        assert _isomorphic(cells[position], first[position])


def test_different_ids_of_the_same_operations_mean_different_graphs(
    space: SearchSpace, cells: Population
) -> None:
    """All placements of some operations: two ids are never isomorphic."""
    for operations in ((0, 0, 1, 2, 3, 3), (0, 1, 1, 2, 2, 4), (0, 0, 0, 1, 3, 4)):
        rows = cells[(np.sort(cells, axis=1) == operations).all(axis=1)]
        representatives = space.unique(rows)[:40]
        assert len(representatives) > 10
        for one, other in itertools.combinations(representatives, 2):
            assert not _isomorphic(one, other)


def test_swapped_nodes_are_one_cell_and_shared_weights_another(space: SearchSpace) -> None:
    def cell(*operations: str) -> str:
        names = (f"edge_{start}_{end}" for start, end in EDGES)
        return space.id_of(dict(zip(names, operations, strict=True)))

    none, skip, conv, pool = "none", "skip_connect", "nor_conv_3x3", "avg_pool_3x3"
    swapped = cell(conv, pool, none, none, skip, pool), cell(pool, conv, none, none, pool, skip)
    assert swapped[0] == swapped[1]
    once_read_twice = cell(conv, none, skip, none, skip, skip)
    two_convolutions = cell(conv, conv, none, none, skip, skip)
    assert once_read_twice != two_convolutions


def test_the_representative_computes_the_same() -> None:
    """Weights moved with their operations: swapped nodes give the same logits."""
    torch = pytest.importorskip("torch")
    from search_spaces import Supernet

    space = get_space("nasbench201", resolution=8, width=4, cells=1)
    rows = np.array([[2, 3, 0, 4, 3, 2], [3, 2, 0, 4, 2, 3]], dtype=np.int16)
    one, other = space.decode_all(rows)
    assert space.id_of(one) == space.id_of(other)
    nets = [Supernet(space).double().eval().subnet(a) for a in (one, other)]
    swap = {"edge01": "edge02", "edge02": "edge01", "edge13": "edge23", "edge23": "edge13"}
    state = {}
    for name, tensor in nets[0].state_dict().items():
        edge = next((e for e in swap if e in name), None)
        state[name.replace(edge, swap[edge]) if edge else name] = tensor
    nets[1].load_state_dict(state)
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.allclose(nets[0](x), nets[1](x), rtol=1e-10)


def test_an_unknown_operation_is_refused_with_the_allowed_ones(space: SearchSpace) -> None:
    cell = {f"edge_{start}_{end}": "nor_conv_5x5" for start, end in EDGES}
    with pytest.raises(SpaceError, match=r"edge_0_1.*nor_conv_3x3"):
        space.encode(cell)
