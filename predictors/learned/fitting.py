"""Fits regressors with scikit-learn, the one module that imports it, into plain arrays.

All take features [n, k], targets [n] and a seed, and return a `Model`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from predictors.learned.models import (
    Additive,
    GaussianProcess,
    Linear,
    Model,
    Perceptrons,
    Trees,
    kernel_matrix,
)
from search_spaces.optional import import_optional

__all__ = ["FITTERS"]

Floats: TypeAlias = NDArray[np.float64]

_RIDGES = tuple(np.logspace(-4, 2, 13))
_ADDITIVE_RIDGE = 1e-3
_SMALL_SHARE = 0.5
_KERNEL_ROWS = 200
_TREES = 200
_HIDDEN = (400, 400, 400)
_MEMBERS = 3


def _require() -> None:
    import_optional("sklearn", extra="predict", purpose="Fitting a predictor")


def fit_ridge(x: Floats, y: Floats, seed: int) -> Linear:
    """Fit ridge regression; its strength by leave-one-out."""
    _require()
    from sklearn.linear_model import RidgeCV

    model = RidgeCV(alphas=_RIDGES).fit(x, y)
    weights = np.asarray(model.coef_, dtype=np.float64)
    centred = x - x.mean(axis=0)
    gram = centred.T @ centred + float(model.alpha_) * np.eye(x.shape[1])
    freedom = float(np.trace(np.linalg.solve(gram, centred.T @ centred))) + 1.0
    residuals = y - model.predict(x)
    noise = np.sqrt((residuals**2).sum() / max(len(y) - freedom, 1.0))
    intercept = np.float64(model.intercept_)
    return Linear(weights, np.array(intercept), np.linalg.inv(gram), np.array(noise))


def fit_additive(x: Floats, y: Floats, seed: int) -> Additive:
    """Fit non-negative prices that minimise relative errors; targets are logarithms.

    Values far below the median count by a share of the median: a network that a runtime
    nearly folds away would otherwise decide all prices. A weak ridge settles collinear layers.
    """
    _require()
    from sklearn.linear_model import LinearRegression

    values = np.exp(y)
    weight = 1.0 / np.maximum(values, _SMALL_SHARE * np.median(values))
    columns = np.column_stack([x, np.ones(len(x))]) * np.median(values)
    ridge = np.sqrt(_ADDITIVE_RIDGE) * np.eye(columns.shape[1])
    squares = LinearRegression(positive=True, fit_intercept=False).fit(
        np.concatenate([columns * weight[:, None], ridge]),
        np.concatenate([values * weight, np.zeros(len(ridge))]),
    )
    prices = np.maximum(squares.coef_, 0.0) * np.median(values)
    smallest = np.array(values.min() / 10.0)
    return Additive(prices[:-1].copy(), np.array(prices[-1]), smallest)


def fit_gaussian_process(x: Floats, y: Floats, seed: int) -> GaussianProcess:
    """Fit a Gaussian process; the kernel by marginal likelihood on at most 200 rows."""
    _require()
    from sklearn.gaussian_process import GaussianProcessRegressor, kernels

    x = x / np.sqrt(x.shape[1])
    middle, scale = float(y.mean()), float(y.std()) or 1.0
    z = (y - middle) / scale
    kernel = (
        kernels.ConstantKernel(1.0) * kernels.DotProduct(1.0, sigma_0_bounds="fixed")
        + kernels.ConstantKernel(0.3) * kernels.RBF(1.0, (0.05, 50.0))
        + kernels.WhiteKernel(0.05, (1e-5, 1.0))
    )
    rows = np.random.default_rng(seed).permutation(len(x))[:_KERNEL_ROWS]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a bound that is reached is an answer
        fitted = GaussianProcessRegressor(kernel).fit(x[rows], z[rows])
    theta = np.exp(fitted.kernel_.theta)
    found = np.array([theta[0], theta[1], theta[2], theta[3]])
    covariance = kernel_matrix(x, x, found) + found[3] * np.eye(len(x))
    inverse = np.linalg.inv(np.linalg.cholesky(covariance))
    alpha = inverse.T @ (inverse @ z)
    return GaussianProcess(x, alpha, inverse, found, np.array([middle, scale]))


def fit_forest(x: Floats, y: Floats, seed: int) -> Trees:
    """Fit extremely randomised trees."""
    _require()
    from sklearn.ensemble import ExtraTreesRegressor

    forest = ExtraTreesRegressor(_TREES, max_features=0.5, random_state=seed)
    trees = [tree.tree_ for tree in forest.fit(x, y).estimators_]
    return _trees(trees, start=0.0, step=1.0 / len(trees), averaged=True)


def fit_boosting(x: Floats, y: Floats, seed: int) -> Trees:
    """Fit gradient-boosted trees."""
    _require()
    from sklearn.ensemble import GradientBoostingRegressor

    boosting = GradientBoostingRegressor(
        n_estimators=300, learning_rate=0.05, max_depth=3, subsample=0.7, random_state=seed
    )
    boosting.fit(x, y)
    trees = [tree.tree_ for tree in boosting.estimators_[:, 0]]
    start = float(np.ravel(boosting.init_.constant_)[0])
    return _trees(trees, start=start, step=float(boosting.learning_rate), averaged=False)


def _trees(trees: list[Any], *, start: float, step: float, averaged: bool) -> Trees:
    """Join trees of scikit-learn; their leaves have children -1 and feature -2."""
    roots = np.cumsum([0, *(tree.node_count for tree in trees)])[:-1]
    left, right = [], []
    for root, tree in zip(roots, trees, strict=True):
        itself = np.arange(tree.node_count)
        leaf = tree.children_left < 0
        left.append(root + np.where(leaf, itself, tree.children_left))
        right.append(root + np.where(leaf, itself, tree.children_right))
    return Trees(
        roots=roots.astype(np.int64),
        left=np.concatenate(left),
        right=np.concatenate(right),
        feature=np.maximum(np.concatenate([t.feature for t in trees]), 0).astype(np.int64),
        threshold=np.concatenate([t.threshold for t in trees]).astype(np.float64),
        value=np.concatenate([t.value[:, 0, 0] for t in trees]).astype(np.float64),
        start=np.array(start),
        step=np.array(step),
        averaged=np.array(int(averaged)),
    )


def fit_perceptrons(x: Floats, y: Floats, seed: int) -> Perceptrons:
    """Fit three perceptrons of once-for-all's shape: 400-400-400, Adam 1e-3, decay 1e-4."""
    _require()
    from sklearn.neural_network import MLPRegressor

    middle, scale = float(y.mean()), float(y.std()) or 1.0
    members = []
    for member in range(_MEMBERS):
        network = MLPRegressor(
            hidden_layer_sizes=_HIDDEN,
            learning_rate_init=1e-3,
            alpha=1e-4,
            batch_size=min(64, len(x)),
            max_iter=200,
            n_iter_no_change=20,
            tol=1e-5,
            random_state=seed + member,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the last epoch is an answer
            network.fit(x, (y - middle) / scale)
        parts = zip(network.coefs_, network.intercepts_, strict=True)
        members.append(np.concatenate([np.concatenate([w.ravel(), b]) for w, b in parts]))
    widths = np.array([x.shape[1], *_HIDDEN, 1])
    return Perceptrons(widths, np.stack(members), np.array([middle, scale]))


FITTERS: dict[str, Callable[[Floats, Floats, int], Model]] = {
    "ridge": fit_ridge,
    "additive": fit_additive,
    "gaussian_process": fit_gaussian_process,
    "forest": fit_forest,
    "boosting": fit_boosting,
    "perceptrons": fit_perceptrons,
}
