"""How good predicted private costs are: held-out networks, really executed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from predictors.latency.graph import network as placed_blocks
from predictors.mpc.cost import MpcCost, total
from predictors.mpc.execute import Execution, execute, random_arrays
from predictors.mpc.metrics import OperatorPrices
from predictors.mpc.profiles import Network
from predictors.mpc.program import Program, program_of
from predictors.ranking import kendall_tau_b
from search_spaces import Architecture, SearchSpace
from search_spaces.progress import Progress, silent

__all__ = ["Comparison", "compare", "predict", "summary"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One network: what was predicted, and what was executed."""

    id: str
    predicted: MpcCost
    executed: Execution

    def row(self, network: Network | None) -> dict[str, Any]:
        """Return the figures side by side; relative errors are predicted over executed - 1."""
        real = self.executed.cost
        row: dict[str, Any] = {
            "id": self.id,
            "online_bytes": real.online_bytes,
            "bytes_error": self.predicted.online_bytes / real.online_bytes - 1,
            "sends": real.sends,
            "sends_error": self.predicted.sends / real.sends - 1,
            "latency_s": self.executed.wall_s,
        }
        if network is not None and self.predicted.cpu_s is not None:
            row["predicted_latency_s"] = self.predicted.latency_s(network)
            row["latency_error"] = row["predicted_latency_s"] / self.executed.wall_s - 1
        return row


def predict(program: Program, prices: OperatorPrices) -> MpcCost:
    """Return the predicted cost of a program: its operators, one after another.

    Raises:
        TableError: An operator has no price.
    """
    return total(prices(operator) for operator in program.operators)


def compare(
    space: SearchSpace,
    architectures: Sequence[Architecture],
    prices: OperatorPrices,
    *,
    network: Network | None = None,
    progress: Progress | None = None,
) -> list[Comparison]:
    """Execute architectures with random weights, and predict them.

    Args:
        space: Of the architectures.
        architectures: To be executed, each by fresh parties.
        prices: Predict them.
        network: Shapes the link, where the system allows it.
        progress: Told how far the work has come.

    Raises:
        MeasurementError: The engine fails.
        TableError: An operator has no price, or a layer no private form.
    """
    report, results = progress or silent, []
    for done, architecture in enumerate(architectures):
        report(done, len(architectures), space.id_of(architecture))
        program = program_of(placed_blocks(space, architecture))
        predicted = predict(program, prices)
        executed = execute(program, random_arrays(program), prices.protocol, network=network)
        results.append(Comparison(space.id_of(architecture), predicted, executed))
    return results


def summary(comparisons: Sequence[Comparison], network: Network | None) -> dict[str, Any]:
    """Return the largest errors, and of latencies the mean and Kendall's tau.

    Latencies are compared where the link was shaped and processor times are known.
    """
    rows = [comparison.row(network) for comparison in comparisons]
    result: dict[str, Any] = {
        "networks": len(rows),
        "largest_bytes_error": max(abs(row["bytes_error"]) for row in rows),
        "largest_sends_error": max(abs(row["sends_error"]) for row in rows),
        "link": comparisons[0].executed.link,
        "load": max(comparison.executed.load for comparison in comparisons),
    }
    if all("latency_error" in row for row in rows) and result["link"] != "loopback":
        errors = np.abs([row["latency_error"] for row in rows])
        result["latency_mape"] = float(errors.mean())
        result["latency_largest_error"] = float(errors.max())
        measured = [row["latency_s"] for row in rows]
        for name, values in {
            "latency_kendall": [row["predicted_latency_s"] for row in rows],
            "bytes_only_kendall": [row["online_bytes"] for row in rows],
        }.items():
            result[name] = kendall_tau_b(values, measured)
    return result
