"""How good a table is: its estimates of held-out networks against their measured latency."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictors.latency.calibration import error_quantiles, quantiles_json
from predictors.ranking import kendall_tau_b, spearman

__all__ = ["Agreement", "Validation", "agreement", "validate"]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well one list of latencies agrees with another.

    Attributes:
        nets: Networks compared.
        spearman: Rank correlation.
        kendall: Kendall's tau-b.
        bias: Mean of estimate over truth, minus one.
        within_5_percent: Share of networks whose estimate is off by less, from 0 to 1.
        within_10_percent: Likewise.
        worst: The largest relative error, with its sign.
    """

    nets: int
    spearman: float
    kendall: float
    bias: float
    within_5_percent: float
    within_10_percent: float
    worst: float


@dataclass(frozen=True, slots=True)
class Validation:
    """Figures on held-out networks.

    Attributes:
        estimate: The table against the measurement.
        ceiling: One half of the measurement against the other: what no table can exceed.
        error_quantiles: Measured over estimated latency, minus one, at 5, 50 and 95 %.
    """

    estimate: Agreement
    ceiling: Agreement
    error_quantiles: tuple[float, float, float]

    def to_json(self) -> dict[str, Any]:
        """Return the estimate's figures, with the ceiling's beside them."""
        return {
            **asdict(self.estimate),
            "error_quantiles": quantiles_json(self.error_quantiles),
            "ceiling": asdict(self.ceiling),
        }


def agreement(estimated: NDArray[np.float64], truth: NDArray[np.float64]) -> Agreement:
    """Compare latencies of the same networks, float64 [n] each, n at least 2."""
    errors = estimated / truth - 1
    return Agreement(
        nets=len(errors),
        spearman=spearman(estimated, truth),
        kendall=kendall_tau_b(estimated, truth),
        bias=float(errors.mean()),
        within_5_percent=float((np.abs(errors) < 0.05).mean()),
        within_10_percent=float((np.abs(errors) < 0.10).mean()),
        worst=float(errors[np.abs(errors).argmax()]),
    )


def validate(
    estimated_ms: NDArray[np.float64],
    measured_ms: NDArray[np.float64],
    halves_ms: NDArray[np.float64],
) -> Validation | None:
    """Return the figures, None for fewer than two networks.

    Args:
        estimated_ms: By the table, float64 [n].
        measured_ms: As whole networks, float64 [n].
        halves_ms: Each half of the measurement, float64 [n, 2].
    """
    if len(measured_ms) < 2:
        return None
    return Validation(
        agreement(estimated_ms, measured_ms),
        agreement(halves_ms[:, 0], halves_ms[:, 1]),
        error_quantiles(measured_ms / estimated_ms - 1),
    )
