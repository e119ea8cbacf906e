"""Fitted regressors as plain arrays: prediction needs numpy only, and files hold no code.

Every model predicts a mean and a standard deviation from features, float64 [n, k]; a model that
knows no spread of its own returns ones, which cross-validation scales, see `selection`.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from predictors.errors import PredictorError

__all__ = ["MODELS", "Additive", "GaussianProcess", "Linear", "Model", "Perceptrons", "Trees"]

Array: TypeAlias = NDArray[Any]
Floats: TypeAlias = NDArray[np.float64]
_CHUNK = 4096


@dataclass(frozen=True, eq=False)
class Model:
    """Base of all fitted regressors; every field is an array."""

    kind: ClassVar[str]

    def predict(self, x: Floats) -> tuple[Floats, Floats]:
        """Return mean and standard deviation, float64 [n] each, for features [n, k]."""
        parts = [self._predict(x[i : i + _CHUNK]) for i in range(0, max(len(x), 1), _CHUNK)]
        mean, std = zip(*parts, strict=True)
        return np.concatenate(mean), np.concatenate(std)

    def _predict(self, x: Floats) -> tuple[Floats, Floats]:
        raise NotImplementedError

    def arrays(self) -> dict[str, Array]:
        """Return the fields by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, Array]) -> Model:
        """Make a model from what `arrays` returned.

        Raises:
            PredictorError: An array is missing or is not of finite numbers.
        """
        names = [field.name for field in fields(cls)]
        for name in names:
            if name not in arrays or not np.issubdtype(arrays[name].dtype, np.number):
                raise PredictorError(f"A {cls.kind} model needs an array of numbers {name!r}.")
            if not np.isfinite(arrays[name]).all():
                raise PredictorError(f"The array {name!r} of a {cls.kind} model is not finite.")
        return cls(**{name: arrays[name] for name in names})


@dataclass(frozen=True, eq=False)
class Linear(Model):
    """Ridge regression as a Gaussian posterior: its spread grows away from the data.

    Attributes:
        weights: Float64 [k].
        intercept: Float64 [].
        covariance: Of the weights, in units of the noise variance, float64 [k, k].
        noise: Standard deviation of the residuals, float64 [].
    """

    kind = "ridge"
    weights: Floats
    intercept: Floats
    covariance: Floats
    noise: Floats

    def _predict(self, x: Floats) -> tuple[Floats, Floats]:
        leverage = np.einsum("ij,jk,ik->i", x, self.covariance, x)
        spread = self.noise * np.sqrt(1.0 + np.maximum(leverage, 0.0))
        return x @ self.weights + self.intercept, spread


@dataclass(frozen=True, eq=False)
class Additive(Model):
    """A sum of non-negative prices, one for each feature, and a constant; returns its logarithm.

    Attributes:
        weights: Float64 [k], none negative.
        intercept: Float64 [], not negative.
        smallest: What is returned where the sum is smaller, float64 [], above zero.
    """

    kind = "additive"
    weights: Floats
    intercept: Floats
    smallest: Floats

    def _predict(self, x: Floats) -> tuple[Floats, Floats]:
        total = np.maximum(x @ self.weights + self.intercept, self.smallest)
        return np.log(total), np.ones(len(x))


@dataclass(frozen=True, eq=False)
class GaussianProcess(Model):
    """A Gaussian process with a linear and a squared-exponential kernel.

        k(a, b) = linear * (1 + a . b) + smooth * exp(-|a - b|^2 / (2 length^2))

    Rasmussen and Williams 2006, algorithm 2.1, with the inverse of the Cholesky factor stored.

    Features are divided by the square root of their number first.

    Attributes:
        inputs: Training features, so divided, float64 [m, k].
        alpha: Float64 [m].
        inverse: Inverse of the lower Cholesky factor of the training covariance, [m, m].
        kernel: Linear, smooth, length and noise variance, float64 [4].
        target: Mean and scale of the training values, float64 [2].
    """

    kind = "gaussian_process"
    inputs: Floats
    alpha: Floats
    inverse: Floats
    kernel: Floats
    target: Floats

    def _predict(self, x: Floats) -> tuple[Floats, Floats]:
        linear, smooth, _, noise = self.kernel
        x = x / np.sqrt(x.shape[1])
        cross = kernel_matrix(x, self.inputs, self.kernel)
        prior = linear * (1.0 + (x**2).sum(axis=1)) + smooth + noise
        variance = prior - ((cross @ self.inverse.T) ** 2).sum(axis=1)
        middle, scale = self.target
        spread = scale * np.sqrt(np.maximum(variance, 1e-12))
        return cross @ self.alpha * scale + middle, spread


def kernel_matrix(a: Floats, b: Floats, kernel: Floats) -> Floats:
    """Return the covariance of features, float64 [n, m]; see `GaussianProcess`."""
    linear, smooth, length, _ = (float(value) for value in kernel)
    product = a @ b.T
    distance = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None] - 2.0 * product
    near: Floats = np.exp(-np.maximum(distance, 0.0) / (2.0 * length**2))
    covariance: Floats = linear * (1.0 + product) + smooth * near
    return covariance


@dataclass(frozen=True, eq=False)
class Trees(Model):
    """Regression trees, averaged (a forest) or summed (boosting).

    Nodes of all trees stand one after the other; a leaf is its own child.

    Attributes:
        roots: First node of each tree, int64 [t].
        left: Child where the feature is at most the threshold, int64 [nodes].
        right: The other child, int64 [nodes].
        feature: Column compared, int64 [nodes]; 0 in a leaf.
        threshold: Float64 [nodes]; features are compared as float32, as they were in fitting.
        value: Float64 [nodes].
        start: Added to the sum, float64 [].
        step: Factor on every tree; 1 / t for a forest, float64 [].
        averaged: 1 for a forest, whose spread is that of its trees, else 0, int64 [].
    """

    kind = "trees"
    roots: NDArray[np.int64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: Floats
    value: Floats
    start: Floats
    step: Floats
    averaged: NDArray[np.int64]

    def _predict(self, x: Floats) -> tuple[Floats, Floats]:
        single = x.astype(np.float32)
        rows = np.arange(len(x))[:, None]
        node = np.broadcast_to(self.roots, (len(x), len(self.roots)))
        while True:
            below = single[rows, self.feature[node]] <= self.threshold[node]
            child = np.where(below, self.left[node], self.right[node])
            if (child == node).all():
                break
            node = child
        values = self.value[node]
        spread = values.std(axis=1) if self.averaged else np.ones(len(x))
        return self.start + self.step * values.sum(axis=1), np.maximum(spread, 1e-12)


@dataclass(frozen=True, eq=False)
class Perceptrons(Model):
    """Several multilayer perceptrons of one shape with ReLU; their spread is their disagreement.

    Attributes:
        widths: Inputs, hidden widths and the one output, int64 [layers + 1].
        weights: Weights [in, out] and biases [out], layer by layer, float64 [members, numbers].
        target: Mean and scale of the training values, float64 [2].
    """

    kind = "perceptrons"
    widths: NDArray[np.int64]
    weights: Floats
    target: Floats

    def _predict(self, x: Floats) -> tuple[Floats, Floats]:
        middle, scale = self.target
        outputs = np.stack([self._forward(x, numbers) for numbers in self.weights])
        spread = outputs.std(axis=0) if len(outputs) > 1 else np.ones(len(x))
        return outputs.mean(axis=0) * scale + middle, np.maximum(spread, 1e-12) * scale

    def _forward(self, x: Floats, numbers: Floats) -> Floats:
        widths, start = self.widths.tolist(), 0
        for layer, (cin, cout) in enumerate(itertools.pairwise(widths)):
            weight = numbers[start : start + cin * cout].reshape(cin, cout)
            start += cin * cout
            x = x @ weight + numbers[start : start + cout]
            start += cout
            if layer < len(widths) - 2:
                x = np.maximum(x, 0.0)
        result: Floats = x[:, 0]
        return result


MODELS: dict[str, type[Model]] = {
    model.kind: model for model in (Linear, Additive, GaussianProcess, Trees, Perceptrons)
}
