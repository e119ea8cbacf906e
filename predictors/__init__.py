"""What an architecture costs, or how good it will be, without training it."""

from __future__ import annotations

from predictors.analytic import INT8_PEAK_MEMORY, Macs, Params, PeakMemory
from predictors.cost import CostModel, CostTable, Extreme, compile_cost
from predictors.errors import MeasurementError, PredictorError, TableError
from predictors.largest import largest, largest_cost
from predictors.provenance import Provenance

__all__ = [
    "INT8_PEAK_MEMORY",
    "CostModel",
    "CostTable",
    "Extreme",
    "Macs",
    "MeasurementError",
    "Params",
    "PeakMemory",
    "PredictorError",
    "Provenance",
    "TableError",
    "compile_cost",
    "largest",
    "largest_cost",
]
