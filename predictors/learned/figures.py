"""How well predictions agree with held-out measurements, for any metric."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictors.errors import PredictorError
from predictors.ranking import kendall_tau_b, spearman

__all__ = ["Figures", "compare"]


@dataclass(frozen=True, slots=True)
class Figures:
    """Agreement of predictions with measurements of the same networks.

    Attributes:
        networks: How many.
        spearman: Rank correlation.
        kendall: Kendall's tau-b.
        rmse: Root of the mean squared error, in the metric's unit.
        within_10_percent: Share of networks whose prediction is off by less, from 0 to 1.
    """

    networks: int
    spearman: float
    kendall: float
    rmse: float
    within_10_percent: float

    def to_json(self) -> dict[str, Any]:
        """Return the fields."""
        return asdict(self)


def compare(predicted: NDArray[np.float64], measured: NDArray[np.float64]) -> Figures:
    """Compare predictions with measurements, float64 [n] each.

    Raises:
        PredictorError: Fewer than two networks, or lengths that differ.
    """
    if predicted.shape != measured.shape or len(measured) < 2:
        raise PredictorError(
            f"Figures need two or more networks with both numbers, got {len(predicted)} predicted "
            f"and {len(measured)} measured."
        )
    errors = predicted - measured
    return Figures(
        networks=len(measured),
        spearman=spearman(predicted, measured),
        kendall=kendall_tau_b(predicted, measured),
        rmse=float(np.sqrt(np.mean(errors**2))),
        within_10_percent=float(np.mean(np.abs(errors) < 0.1 * np.abs(measured))),
    )
