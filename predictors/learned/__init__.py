"""Learned predictors: regressors on whole networks, for when no latency table can be had.

Metric-agnostic: latency, energy, accuracy, or what a user measures. `fit` compares candidates
by cross-validation, `transfer` needs ten or twenty networks of a new device, `choose_support`
says which; what is stored are plain arrays. `price_cost` compiles a sum of prices into a cost.
"""

from __future__ import annotations

from predictors.learned.execution import Execution
from predictors.learned.features import FEATURES, Encoder
from predictors.learned.figures import Figures, compare
from predictors.learned.predictor import LearnedPredictor, Member
from predictors.learned.predictor_file import load_predictor, save_predictor
from predictors.learned.prices import SUM_OF_PRICES, price_cost
from predictors.learned.selection import Candidate, candidates_for, fit
from predictors.learned.support import choose_support
from predictors.learned.transfer import transfer

__all__ = [
    "FEATURES",
    "SUM_OF_PRICES",
    "Candidate",
    "Encoder",
    "Execution",
    "Figures",
    "LearnedPredictor",
    "Member",
    "candidates_for",
    "choose_support",
    "compare",
    "fit",
    "load_predictor",
    "price_cost",
    "save_predictor",
    "transfer",
]
