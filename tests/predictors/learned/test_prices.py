"""A sum of prices of layers as a compiled cost: what the predictor says, with exact extremes."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from predictors import PredictorError, Provenance
from predictors.learned import (
    SUM_OF_PRICES,
    Candidate,
    Encoder,
    LearnedPredictor,
    fit,
    price_cost,
)
from search_spaces import Population, SearchSpace, get_space

pytest.importorskip("sklearn")

BOARD = Provenance("measured", "test", device="board")


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return get_space("nasbench201", resolution=8, width=4, cells=1)


@pytest.fixture(scope="module")
def sample(space: SearchSpace) -> Population:
    return space.unique(space.sample(60, np.random.default_rng(0)))


def fitted(
    space: SearchSpace, rows: Population, *candidates: Candidate, metric: str = "energy_mj"
) -> LearnedPredictor:
    x = Encoder(space, "layers")(rows)
    values = 3.0 + x @ np.linspace(0.5, 2.0, x.shape[1]) / x.max()
    return fit(space, rows, values, metric=metric, provenance=BOARD, candidates=candidates)


def test_the_cost_is_the_prediction_for_every_network(
    space: SearchSpace, sample: Population
) -> None:
    predictor = fitted(space, sample, SUM_OF_PRICES)
    cost, every = price_cost(predictor), space.enumerated
    predicted = predictor(every)
    np.testing.assert_allclose(cost(every), predicted, rtol=1e-9)
    assert cost.minimum().value == pytest.approx(predicted.min(), rel=1e-9)
    assert cost.maximum().value == pytest.approx(predicted.max(), rel=1e-9)
    assert predictor.of(cost.minimum().architecture) == pytest.approx(predicted.min(), rel=1e-9)
    assert (cost.metric, cost.provenance) == ("energy_mj", predictor.provenance)
    assert predicted.max() > 1.2 * predicted.min()


def test_the_cost_of_a_part_of_the_space(space: SearchSpace, sample: Population) -> None:
    predictor = fitted(space, sample, SUM_OF_PRICES)
    part = space.restrict({space.choices[0].name: space.choices[0].options[:2]})
    cost, rows = price_cost(predictor, part), part.enumerated
    expected = predictor(space.encode_all(part.decode_all(rows)))
    np.testing.assert_allclose(cost(rows), expected, rtol=1e-9)
    with pytest.raises(PredictorError, match=r"fitted on .*'resolution': 8.*, not on .*'keep'"):
        price_cost(predictor, get_space("nasbench201").restrict(part.kept))


@pytest.mark.parametrize(
    "candidates",
    [
        [Candidate("gaussian_process", "layers")],
        [Candidate("additive", "read_layers")],
        [Candidate("additive", "layers", SUM_OF_PRICES)],
        [SUM_OF_PRICES, SUM_OF_PRICES],
    ],
    ids=["process", "another view", "corrected", "averaged"],
)
def test_what_is_no_sum_is_refused(
    space: SearchSpace, sample: Population, candidates: list[Candidate]
) -> None:
    predictor = fitted(space, sample, *candidates)
    with pytest.raises(PredictorError, match="--model additive") as error:
        price_cost(predictor)
    assert str(candidates[0]) in str(error.value)


def test_an_accuracy_is_no_cost(space: SearchSpace, sample: Population) -> None:
    with pytest.raises(PredictorError, match="no sum of prices"):
        fitted(space, sample, SUM_OF_PRICES, metric="accuracy")
    ridge = fitted(space, sample, Candidate("ridge", "one_hot"), metric="accuracy")
    with pytest.raises(PredictorError, match="minimised"):
        price_cost(ridge)


def test_prices_far_below_what_was_measured_are_refused(
    space: SearchSpace, sample: Population
) -> None:
    predictor = fitted(space, sample, SUM_OF_PRICES)
    (member,) = predictor.members
    high = dataclasses.replace(member.model, smallest=np.array(1e3))
    changed = dataclasses.replace(predictor, members=(dataclasses.replace(member, model=high),))
    with pytest.raises(PredictorError, match="small networks too"):
        price_cost(changed)
