"""A latency table as a cost model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from predictors.errors import TableError
from predictors.latency.calibration import Calibration
from predictors.latency.graph import Executed, executed, is_timed, weight_megabytes
from predictors.provenance import Provenance
from search_spaces.blocks import BlockSpec, Shape

__all__ = ["TableCost"]

_LEAST_MS = 1e-6
"""Price of a block that cost no more than an empty call; `suspicious` reports it."""


@dataclass(frozen=True)
class TableCost:
    """Latency, or another metric, of a block by table, calibrated to whole networks.

    Attributes:
        rows_ms: Latency without the call, by what is executed.
        calibration: From rows to whole networks.
        input_shapes: Of networks; a block of such an input reads the network's.
        provenance: Of the table.
        advice: What to do when a block is missing.
        metric: What the table is of; all prices are in its unit.
    """

    rows_ms: Mapping[Executed, float]
    calibration: Calibration
    input_shapes: frozenset[Shape]
    provenance: Provenance
    advice: str = ""
    metric: str = "latency_ms"
    reduce: Literal["sum", "max"] = "sum"

    @property
    def constant(self) -> float:
        """Added once for a whole network, in ms; may be negative."""
        return self.calibration.constant_ms

    def __call__(self, block: BlockSpec) -> float:
        """Return the price of one block in ms.

        Raises:
            TableError: The table lacks it.
        """
        if not is_timed(block):
            return 0.0
        row = self.rows_ms.get(executed(block))
        if row is None:
            raise TableError(
                f"{self.provenance.source} has {len(self.rows_ms)} blocks, but not {block}. "
                f"{self.advice}"
            )
        return self.calibration.price(
            max(row, _LEAST_MS), weight_megabytes(block), reads_input=self.reads_input(block)
        )

    def reads_input(self, block: BlockSpec) -> bool:
        """Return whether a block reads the network's input, by the shape of its own."""
        return block.in_shape in self.input_shapes
