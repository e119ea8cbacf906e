"""Lagrangian bounds are never above the truth, and as good as any weights can make them."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nas.search.relaxation import _best_weights, relax
from predictors import compile_cost
from predictors.cost import weighted_minimum
from tests.nas.search.toys import HashedPrice, costs_of, space_of
from tests.random_spaces import every_row, prices, random_spaces

CUTS = st.tuples(st.integers(1, 8), st.integers(1, 4)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.floats(-3, 3, width=32))
)


@given(CUTS, st.randoms(use_true_random=False))
def test_the_weights_of_the_game_are_optimal(cuts: np.ndarray, random: object) -> None:
    weights, value = _best_weights(cuts)
    limits = cuts.shape[1]
    assert np.isclose(weights.sum(), 1.0)
    assert (weights >= 0).all()
    assert value == (cuts @ weights).min()
    others = np.random.default_rng(0).dirichlet(np.ones(limits), size=200)
    others = np.concatenate([others, np.eye(limits)])
    assert value >= (cuts @ others.T).min(axis=0).max() - 1e-7


@settings(max_examples=60)
@given(st.data())
def test_no_architecture_is_better_than_the_bound(data: st.DataObject) -> None:
    space = data.draw(random_spaces())
    models = data.draw(st.lists(prices("sum"), min_size=1, max_size=3))
    limits = data.draw(st.lists(st.integers(1, 30), min_size=len(models), max_size=len(models)))
    costs = [compile_cost(space, model) for model in models]
    relaxed = relax(costs, limits)
    rows = every_row(space)
    ratios = np.stack([c(rows) / limit for c, limit in zip(costs, limits, strict=True)])
    assert relaxed.bound <= ratios.max(axis=0).min() + 1e-9
    if len(costs) == 1:
        assert np.isclose(relaxed.bound, ratios.min())


def test_the_bound_is_the_best_of_all_weights() -> None:
    costs = costs_of("mobile_small")
    pair = [costs["macs"], costs["slimness"]]
    limits = [2e6, 20.0]
    relaxed = relax(pair, limits)
    for share in np.linspace(0, 1, 41):
        weights = [share / limits[0], (1 - share) / limits[1]]
        assert weighted_minimum(pair, weights).value <= relaxed.bound + 1e-9
    assert relaxed.bound > weighted_minimum(pair, [0.5 / limits[0], 0.5 / limits[1]]).value


def test_it_stops_once_the_bound_decides() -> None:
    costs = costs_of("mobile_small")
    pair = [costs["macs"], costs["slimness"]]
    full = relax(pair, [1.2e6, 12.0])
    quick = relax(pair, [1.2e6, 12.0], threshold=1.0)
    assert full.bound > 1.0
    assert 1.0 < quick.bound <= full.bound
    assert len(quick.population) < len(full.population)


def test_the_minimisers_are_real_architectures_with_their_ratios() -> None:
    space = space_of("mobile_small")
    costs = [compile_cost(space, HashedPrice(f"price_{s}", seed=s)) for s in range(3)]
    limits = [cost.minimum().value * 1.1 for cost in costs]
    relaxed = relax(costs, limits)
    expected = [c(relaxed.population) / limit for c, limit in zip(costs, limits, strict=True)]
    np.testing.assert_allclose(relaxed.ratios, np.stack(expected, axis=1))
    assert relaxed.ratios[relaxed.closest].max() == relaxed.ratios.max(axis=1).min()
