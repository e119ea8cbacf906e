"""Compiled costs against slow loops and brute force, folds, skipped slots and signs included."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictors import Macs, PeakMemory, Provenance, TableError, compile_cost
from predictors.cost import weighted_minimum
from predictors.testing import slow_cost
from search_spaces import SearchSpace, SpaceBuilder, SpaceError, get_space
from search_spaces.blocks import Conv
from tests.random_spaces import PricedByKernel, every_row, prices, random_spaces

MODELS = st.sampled_from(["sum", "max"]).flatmap(prices)


@given(random_spaces(), MODELS)
def test_evaluation_equals_the_slow_loop(space: SearchSpace, model: PricedByKernel) -> None:
    rows = every_row(space)
    table = compile_cost(space, model)
    slow = [slow_cost(space, model, architecture) for architecture in space.decode_all(rows)]
    assert table(rows).tolist() == slow
    assert table(rows).dtype == np.float64
    assert table.of(space.decode(rows[-1])) == slow[-1]


@given(random_spaces(), MODELS)
def test_extremes_equal_brute_force(space: SearchSpace, model: PricedByKernel) -> None:
    table = compile_cost(space, model)
    costs = table(every_row(space))
    for extreme, value in ((table.minimum(), costs.min()), (table.maximum(), costs.max())):
        assert extreme.value == value == table.of(extreme.architecture)
        row = space.encode(extreme.architecture)[None]
        assert np.array_equal(space.canonical(row), row)


@given(random_spaces(), MODELS)
def test_breakdown_reduces_to_the_cost(space: SearchSpace, model: PricedByKernel) -> None:
    table = compile_cost(space, model)
    for architecture in space.decode_all(every_row(space)[:10]):
        parts = table.breakdown(architecture)
        blocks = space.blocks(architecture)
        assert list(parts) == list(blocks)
        assert all(parts[name] == 0 for name, block in blocks.items() if block is None)
        whole = (sum if model.reduce == "sum" else max)(parts.values())
        assert whole + model.constant == table.of(architecture)


@given(random_spaces(), MODELS)
def test_equal_networks_cost_the_same(space: SearchSpace, model: PricedByKernel) -> None:
    rows = every_row(space)
    table = compile_cost(space, model)
    assert np.array_equal(table(space.canonical(rows)), table(rows))


WEIGHTS = st.lists(st.integers(0, 4).map(float), min_size=2, max_size=2)


@given(random_spaces(), prices("sum"), prices("sum"), prices("max"), WEIGHTS, st.integers(-5, 15))
def test_weighted_minimum_equals_brute_force(
    space: SearchSpace,
    first: PricedByKernel,
    second: PricedByKernel,
    limited: PricedByKernel,
    weights: list[float],
    limit: int,
) -> None:
    costs = [compile_cost(space, model) for model in (first, second)]
    peak = compile_cost(space, limited)
    rows = every_row(space)
    total = sum(weight * cost(rows) for weight, cost in zip(weights, costs, strict=True))
    free = weighted_minimum(costs, weights)
    assert free.value == total.min()
    within = weighted_minimum(costs, weights, allowed=peak.within(limit))
    allowed = peak(rows) <= limit
    if not allowed.any():
        assert math.isinf(within.value)
        return
    assert within.value == total[allowed].min()
    assert peak.of(within.architecture) <= limit


def test_sums_and_maxima_are_not_mixed() -> None:
    space = get_space("mobile_small")
    macs, memory = compile_cost(space, Macs()), compile_cost(space, PeakMemory())
    with pytest.raises(TableError, match="peak_memory_bytes is a maximum"):
        weighted_minimum([macs, memory], [1.0, 1.0])
    with pytest.raises(TableError, match="limit on macs cannot be checked slot by slot"):
        macs.within(1e6)


def test_a_table_tells_what_it_holds() -> None:
    space = get_space("mobile_small")
    table = compile_cost(space, Macs())
    assert (table.metric, table.reduce, table.constant) == ("macs", "sum", 0.0)
    assert table.provenance == Macs().provenance
    assert table.space is space
    assert [t.scope for t in table.tables] == list(space.grid.scopes)


def test_every_different_block_is_priced_once() -> None:
    asked = []

    @dataclasses.dataclass(frozen=True)
    class Recording(PricedByKernel):
        def __call__(self, block: object) -> float:
            asked.append(block)
            return 1.0

    space = get_space("mobile_small")
    compile_cost(space, Recording({}))
    assert sorted(map(str, asked)) == sorted(map(str, space.distinct_blocks()))


def two_kernels() -> SearchSpace:
    builder = SpaceBuilder("two_kernels")
    kernel = builder.choice("kernel", (1, 3))
    builder.slot("conv", reads=(kernel,), block=lambda k: Conv(4, 4, 8, kernel=k))
    return builder.build()


@pytest.mark.parametrize("price", [math.nan, math.inf, -math.inf])
def test_a_price_is_a_finite_number(price: float) -> None:
    with pytest.raises(TableError, match=r"The price of Conv\(.*kernel=3.* is -?(nan|inf)"):
        compile_cost(two_kernels(), PricedByKernel({1: 1.0, 3: price}))
    with pytest.raises(TableError, match="The constant of price is"):
        compile_cost(two_kernels(), PricedByKernel({1: 1.0, 3: 1.0}, constant=price))


def test_a_population_of_another_space_is_refused() -> None:
    table = compile_cost(two_kernels(), Macs())
    with pytest.raises(SpaceError, match=r"\[n, 1\], got the shape \[4, 45\]"):
        table(np.zeros((4, 45), dtype=np.int16))
    with pytest.raises(SpaceError, match="no option 5"):
        table.of(two_kernels().decode([0]).replace(kernel=5))


def test_an_empty_population_costs_nothing() -> None:
    assert compile_cost(two_kernels(), Macs())(np.empty((0, 1), dtype=np.int16)).shape == (0,)


def test_extremes_of_a_space_of_5e20_networks() -> None:
    """Found by elimination in a moment, and not exceeded by any sample."""
    space = get_space("ofa_mobilenet_v3")
    for model in (Macs(), PeakMemory()):
        table = compile_cost(space, model)
        costs = table(space.sample(20_000, np.random.default_rng(0)))
        assert table.minimum().value <= costs.min()
        assert table.maximum().value >= costs.max()
        for extreme in (table.minimum(), table.maximum()):
            assert table.of(extreme.architecture) == extreme.value


def test_provenance_travels_with_the_table() -> None:
    measured = Provenance("table", "phone.lut.json", device="phone", runtime="onnxruntime 1.20")
    model = PricedByKernel({1: 1.0, 3: 2.0}, provenance=measured)
    assert compile_cost(two_kernels(), model).provenance is measured
