"""What others measured or trained, as costs and objectives of this package."""

from __future__ import annotations

from predictors.foreign.as_table import table_of_lookup
from predictors.foreign.lookup import LookupTable, load_lookup_table
from predictors.foreign.ofa_accuracy import OfaAccuracyPredictor, load_ofa_accuracy

__all__ = [
    "LookupTable",
    "OfaAccuracyPredictor",
    "load_lookup_table",
    "load_ofa_accuracy",
    "table_of_lookup",
]
