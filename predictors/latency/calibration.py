"""From a sum of blocks to the latency of a whole network, by a few measured networks.

    latency = scale * sum of rows + input_scale * row of the first block
            + per_block * blocks + per_megabyte * weights + constant

A block alone is not a block in its network: it pays for layout changes at its edges, which
`scale` and `constant` take off, and it finds its weights in the cache, where a large network
does not: `per_megabyte` puts that on. The block that reads the image has other kernels than the
rest, and reads it in the layout it comes in; so it has a scale of its own, and the sum is that
of the others. Slopes are not negative, so no block has a negative price. The constant may be
negative, because stem and head are in every network and pay at their edges too, but by at most
half of the smallest measured network. The fit minimises relative errors.
"""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Calibration", "calibrate"]

_QUANTILES = (0.05, 0.5, 0.95)
_FEWEST = {"constant": 4, "slopes": 8, "input": 12}
"""Networks that it takes to fit a term."""

_SAME = 1e-3
"""Relative difference below which a feature is the same in all networks."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """The correction of a table.

    Attributes:
        scale: Factor on every row but those of blocks that read the network's input.
        input_scale: Factor on the rows of these.
        per_block_ms: Added for every block.
        per_megabyte_ms: Added for every 10^6 bytes of weights.
        constant_ms: Added once for a network.
        nets: Networks it was fitted on; 0 for none, which corrects nothing.
        residual_quantiles: Measured over estimated latency, minus one, on those networks.
    """

    scale: float = 1.0
    input_scale: float = 1.0
    per_block_ms: float = 0.0
    per_megabyte_ms: float = 0.0
    constant_ms: float = 0.0
    nets: int = 0
    residual_quantiles: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def price(self, row_ms: float, megabytes: float, *, reads_input: bool = False) -> float:
        """Return the price of a block in ms."""
        scale = self.input_scale if reads_input else self.scale
        return scale * row_ms + self.per_block_ms + self.per_megabyte_ms * megabytes

    def to_json(self) -> dict[str, Any]:
        """Return the fields."""
        return asdict(self) | {"residual_quantiles": quantiles_json(self.residual_quantiles)}


def quantiles_json(values: tuple[float, float, float]) -> dict[str, float]:
    """Return quantiles by name."""
    return {str(q): value for q, value in zip(_QUANTILES, values, strict=True)}


def error_quantiles(errors: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return the quantiles that are kept of relative errors."""
    low, middle, high = np.quantile(errors, _QUANTILES).tolist()
    return low, middle, high


def calibrate(features: NDArray[np.float64], measured_ms: NDArray[np.float64]) -> Calibration:
    """Fit the correction.

    Args:
        features: For each network the sum of its rows in ms, without and with those of blocks
            that read its input apart; its number of blocks; and its weights in 10^6 bytes:
            float64 [n, 4]. Few networks fit fewer terms: below 12 one scale for all rows,
            below 8 this and the constant, below 4 the scale alone. The first blocks have a scale
            of their own where they differ between the networks.
        measured_ms: Latency of each network, float64 [n].
    """
    nets = len(measured_ms)
    if nets == 0:
        return Calibration()
    columns = np.column_stack([features, np.ones(nets)])
    first = features[:, 1]
    varies = float(np.ptp(first)) > _SAME * float(np.abs(first).max())
    apart = nets >= _FEWEST["input"] and varies  # else it cannot be told from the constant
    if not apart:
        columns[:, 0] += columns[:, 1]
    slopes, constant_too = nets >= _FEWEST["slopes"], nets >= _FEWEST["constant"]
    used = np.array([True, apart, slopes, slopes, constant_too])
    lowest = np.array([0.0, 0.0, 0.0, 0.0, -measured_ms.min() / 2])
    solution = bounded_least_squares(columns / measured_ms[:, None], lowest, used)
    scale, input_scale, per_block, per_megabyte, constant = solution.tolist()
    return Calibration(
        scale,
        input_scale if apart else scale,
        per_block,
        per_megabyte,
        constant,
        nets,
        error_quantiles(measured_ms / (columns @ solution) - 1),
    )


def bounded_least_squares(
    columns: NDArray[np.float64], lowest: NDArray[np.float64], used: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Minimise ``|columns @ x - 1|`` with ``x >= lowest``, exactly, for few unknowns.

    The minimum of a convex quadratic over a box is among the least-squares solutions with
    some unknowns held at their bound; all such sets are tried.

    Args:
        columns: float64 [n, k].
        lowest: Smallest value of each unknown, float64 [k].
        used: Unknowns that may differ from zero, bool [k]; the first must be among them.

    Returns:
        The solution, float64 [k]; unused unknowns are zero.
    """
    best: NDArray[np.float64] = np.zeros(len(lowest))
    smallest = np.inf
    free_sets = itertools.product((True, False), repeat=int(used.sum()))
    for choice in free_sets:
        free = np.zeros(len(lowest), dtype=bool)
        free[used] = choice
        x = np.where(used & ~free, lowest, 0.0)
        if free.any():
            target = 1.0 - columns @ x
            x[free] = np.linalg.lstsq(columns[:, free], target, rcond=None)[0]
        loss = float(((columns @ x - 1.0) ** 2).sum())
        if loss < smallest and bool((x >= np.where(used, lowest, 0.0) - 1e-12).all()):
            best, smallest = x, loss
    return best
