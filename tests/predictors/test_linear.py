"""A linear score on the one-hot encoding, as tables."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictors import Provenance, TableError
from predictors.linear import linear_cost
from search_spaces import SearchSpace, get_space
from tests.random_spaces import every_row, random_spaces

FITTED = Provenance("predicted", "a fit")


def weights_of(space: SearchSpace, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=int(space.option_counts.sum()))


@given(random_spaces(), st.integers(0, 99))
def test_it_equals_the_product_with_the_encoding(space: SearchSpace, seed: int) -> None:
    weights, rows = weights_of(space, seed), every_row(space)
    cost = linear_cost(space, weights, constant=0.5, provenance=FITTED)
    expected = space.one_hot(rows).astype(np.float64) @ weights + 0.5
    np.testing.assert_allclose(cost(rows), expected, atol=1e-12)
    for extreme, value in ((cost.minimum(), expected.min()), (cost.maximum(), expected.max())):
        assert extreme.value == pytest.approx(value)
        assert cost.of(extreme.architecture) == pytest.approx(value)


@pytest.mark.parametrize("name", ["nasbench201", "ofa_resnet50", "autoformer"])
def test_networks_of_equal_form_score_the_same(name: str) -> None:
    space = get_space(name)
    weights, rows = weights_of(space), space.sample(300, np.random.default_rng(0))
    cost = linear_cost(space, weights, provenance=FITTED)
    np.testing.assert_allclose(cost(rows), space.one_hot(rows) @ weights, atol=1e-5)
    parts = cost.breakdown(space.decode(rows[0]))
    assert list(parts) == [choice.name for choice in space.choices]
    assert sum(parts.values()) == pytest.approx(cost(rows)[0])


def test_another_number_of_weights_is_refused() -> None:
    space = get_space("spos_shufflenet_v2")
    for weights in (np.zeros(79), np.full(80, np.nan)):
        with pytest.raises(TableError, match="has 80 finite weights"):
            linear_cost(space, weights, provenance=FITTED)
