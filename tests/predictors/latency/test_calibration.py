"""Calibration: exact on exact data, the bounded optimum otherwise."""

from __future__ import annotations

import numpy as np
import pytest

from predictors.latency.calibration import Calibration, bounded_least_squares, calibrate


def _features(rng, n):
    blocks = rng.integers(8, 20, n)
    first = rng.uniform(0.1, 0.4, n)
    return np.column_stack([rng.uniform(1, 4, n), first, blocks, rng.uniform(0.1, 5, n)])


def _terms(fit):
    return (
        fit.scale,
        fit.input_scale,
        fit.per_block_ms,
        fit.per_megabyte_ms,
        fit.constant_ms,
    )


def test_recovers_what_made_the_data():
    features = _features(np.random.default_rng(0), 20)
    measured = features @ [0.8, 0.2, 0.01, 0.05] + 0.1
    fit = calibrate(features, measured)
    assert _terms(fit) == pytest.approx((0.8, 0.2, 0.01, 0.05, 0.1))
    assert fit.nets == 20
    assert fit.residual_quantiles == pytest.approx((0, 0, 0), abs=1e-9)


def test_slopes_are_never_negative_and_the_constant_is_bounded():
    features = _features(np.random.default_rng(0), 20)
    measured = features @ [0.8, -1.0, -0.02, -0.05] + 3
    fit = calibrate(features, measured)
    assert min(_terms(fit)[:-1]) >= 0
    steep = calibrate(features, 3 * features[:, 0] ** 2)
    assert steep.constant_ms >= -(3 * features[:, 0] ** 2).min() / 2


@pytest.mark.parametrize(("nets", "terms"), [(1, 2), (3, 2), (4, 3), (7, 3), (8, 5), (12, 5)])
def test_few_networks_fit_few_terms(nets, terms):
    features = _features(np.random.default_rng(1), nets)
    fit = calibrate(features, features @ [0.8, 0.7, 0.01, 0.05] + 0.1)
    assert np.count_nonzero(_terms(fit)) == terms
    assert (fit.input_scale == fit.scale) == (nets < 12)


def test_a_first_block_that_is_the_same_in_all_has_no_scale_of_its_own():
    features = _features(np.random.default_rng(0), 20)
    features[:, 1] = 0.2
    fit = calibrate(features, features @ [0.8, 0.8, 0.01, 0.05] + 0.1)
    assert _terms(fit) == pytest.approx((0.8, 0.8, 0.01, 0.05, 0.1))


def test_no_network_corrects_nothing():
    fit = calibrate(np.empty((0, 4)), np.empty(0))
    assert fit == Calibration()
    assert fit.price(1.5, 7.0) == 1.5


def test_prices_of_the_first_block_and_of_others():
    fit = Calibration(0.8, 0.2, 0.01, 0.05)
    assert fit.price(2.0, 1.0) == pytest.approx(1.66)
    assert fit.price(2.0, 1.0, reads_input=True) == pytest.approx(0.46)


@pytest.mark.parametrize("seed", range(30))
def test_equal_to_scipy(seed):
    optimize = pytest.importorskip("scipy.optimize")
    rng = np.random.default_rng(seed)
    columns = rng.normal(size=(12, 4)) + rng.normal(size=4)
    lowest = np.array([0.0, 0.0, 0.0, -rng.uniform(0.01, 0.5)])
    ours = bounded_least_squares(columns, lowest, np.ones(4, dtype=bool))
    theirs = optimize.lsq_linear(columns, np.ones(12), bounds=(lowest, np.inf), tol=1e-14).x
    assert (ours >= lowest - 1e-9).all()
    loss_of = lambda x: float(((columns @ x - 1) ** 2).sum())  # noqa: E731
    assert loss_of(ours) <= loss_of(theirs) + 1e-9
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
