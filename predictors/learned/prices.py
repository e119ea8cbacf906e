"""A learned predictor that is a sum of prices of layers, as a compiled cost with exact extremes.

Most predictors are no sum over blocks: an average, a process or a forest has no tables, so
nothing can be proven about limits on it. One sum of prices on the features ``layers`` is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from predictors.cost import CostTable, compile_cost
from predictors.errors import PredictorError
from predictors.learned.features import layer_features
from predictors.learned.models import Additive
from predictors.learned.predictor import LearnedPredictor, is_logarithmic
from predictors.learned.selection import Candidate
from predictors.provenance import Provenance
from search_spaces import SearchSpace
from search_spaces.blocks import BlockSpec

__all__ = ["SUM_OF_PRICES", "price_cost"]

SUM_OF_PRICES = Candidate("additive", "layers")
"""What to fit alone, so that `price_cost` can compile the predictor."""


@dataclass(frozen=True, eq=False)
class _Prices:
    """A cost model: each block costs the prices of its layers."""

    space: SearchSpace
    metric: str
    constant: float
    provenance: Provenance
    columns: NDArray[np.int64]
    prices: NDArray[np.float64]
    reduce: Literal["sum", "max"] = "sum"

    def __call__(self, block: BlockSpec) -> float:
        return float(layer_features(self.space, block)[self.columns] @ self.prices)


def price_cost(predictor: LearnedPredictor, space: SearchSpace | None = None) -> CostTable:
    """Compile a predictor that is one sum of prices of layers; the cost is what it predicts.

    Args:
        predictor: Fitted on `SUM_OF_PRICES` alone.
        space: Whose networks are priced: the predictor's, or a part of it.

    Raises:
        PredictorError: It is another kind of predictor, or of another space; or some network
            costs less than the smallest value that it predicts, which is no sum.
    """
    space = space or predictor.space
    if predictor.space.fingerprint not in (space.fingerprint, space.whole.fingerprint):
        raise PredictorError(
            f"It was fitted on {_described(predictor.space)}, not on {_described(space)} or what "
            "that is a part of. Use that space or fit a predictor on this one."
        )
    member = predictor.members[0]
    model = member.model
    whole = len(predictor.members) == 1 and member.base is None
    if not (whole and isinstance(model, Additive) and member.features == SUM_OF_PRICES.features):
        raise PredictorError(_no_sum(predictor))
    prices = model.weights / member.scale
    constant = float(model.intercept - member.offset @ prices)
    cost = compile_cost(
        space,
        _Prices(
            predictor.space,
            predictor.metric,
            constant,
            predictor.provenance,
            member.columns,
            prices,
        ),
    )
    smallest = cost.minimum().value
    if smallest < model.smallest:
        raise PredictorError(
            f"The smallest network of {space.name} would have {predictor.metric} "
            f"{smallest:.4g}, below {float(model.smallest):.4g}, a tenth of the smallest value "
            "that was measured: prices mean nothing there. Measure small networks too and fit "
            "again."
        )
    return cost


def _described(space: SearchSpace) -> str:
    about = space.description
    return f"{about.pop('name')} with {about}"


def _no_sum(predictor: LearnedPredictor) -> str:
    """Return why a predictor is no cost, and which one is."""
    named = f"The predictor of {predictor.metric}"
    if not is_logarithmic(predictor.metric):
        return (
            f"{named} is none of a cost: costs are minimised and limited from above. Search with "
            "the evaluation as the objective, and give predictors of costs only."
        )
    averaged = "; ".join(predictor.figures.get("averaged", ())) or "other models"
    return (
        f"{named} is no sum of prices of layers ({averaged}), so no limit on it can be proven or "
        "kept exactly. Fit one that is: nas predictor fit NETS --model additive."
    )
