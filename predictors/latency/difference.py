"""What tells two latency tables apart."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from predictors.latency.calibration import error_quantiles, quantiles_json
from predictors.latency.graph import executed
from predictors.latency.table import LatencyTable
from predictors.ranking import kendall_tau_b, spearman
from search_spaces.blocks import BlockSpec

__all__ = ["ChangedRow", "Difference", "compare_tables"]

_LARGEST = 5


@dataclass(frozen=True, slots=True)
class ChangedRow:
    """A block in both tables."""

    block: BlockSpec
    first_ms: float
    second_ms: float


@dataclass(frozen=True, slots=True)
class Difference:
    """Two tables compared.

    Attributes:
        identity: What they are of, where it differs, as ``threads 1 against 2``.
        common: Blocks in both.
        only_first: Blocks in the first table only.
        only_second: Blocks in the second table only.
        ratio_quantiles: Second over first latency of common blocks at 5, 50 and 95 %; nan
            without any.
        spearman: Rank correlation of common blocks.
        kendall: Likewise, Kendall's tau-b.
        largest: The common blocks that differ most from the median ratio.
    """

    identity: tuple[str, ...]
    common: int
    only_first: int
    only_second: int
    ratio_quantiles: tuple[float, float, float]
    spearman: float
    kendall: float
    largest: tuple[ChangedRow, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the fields."""
        return {
            **asdict(self),
            "ratio_quantiles": quantiles_json(self.ratio_quantiles),
            "largest": [
                {
                    "block": row.block.to_json(),
                    "first_ms": row.first_ms,
                    "second_ms": row.second_ms,
                }
                for row in self.largest
            ],
        }


def compare_tables(first: LatencyTable, second: LatencyTable) -> Difference:
    """Compare two tables of any devices; rows are compared without the cost of a call."""
    mine, theirs = (
        {executed(row.block): row.timing.latency_ms - table.call_ms for row in table.rows}
        for table in (first, second)
    )
    blocks = {executed(row.block): row.block for row in first.rows}
    both = [work for work in mine if work in theirs and min(mine[work], theirs[work]) > 0]
    a, b = (np.array([prices[work] for work in both]) for prices in (mine, theirs))
    middle = float(np.median(b / a)) if both else float("nan")
    order = np.argsort(-np.abs(np.log(b / a / middle)), kind="stable")[:_LARGEST]
    return Difference(
        identity=tuple(first.identity.differences(second.identity)),
        common=len(mine.keys() & theirs.keys()),
        only_first=len(mine.keys() - theirs.keys()),
        only_second=len(theirs.keys() - mine.keys()),
        ratio_quantiles=error_quantiles(b / a) if both else (float("nan"),) * 3,
        spearman=spearman(a, b),
        kendall=kendall_tau_b(a, b),
        largest=tuple(
            ChangedRow(blocks[both[i]], float(a[i]), float(b[i])) for i in order.tolist()
        ),
    )
