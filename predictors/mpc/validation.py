"""How good predicted private costs are: held-out networks, really executed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from predictors.latency.graph import network as placed_blocks
from predictors.mpc.cost import MpcCost
from predictors.mpc.execute import Execution, execute, random_arrays
from predictors.mpc.metrics import OperatorPrices, predict
from predictors.mpc.profiles import Network, Protocol
from predictors.mpc.program import program_of
from predictors.ranking import kendall_tau_b
from search_spaces import Architecture, SearchSpace
from search_spaces.progress import Progress, silent

__all__ = ["Comparison", "compare", "summary"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One network: what was predicted, and what was executed."""

    id: str
    predicted: MpcCost
    executed: Execution
    protocol: Protocol

    def row(self, network: Network | None) -> dict[str, Any]:
        """Return the figures side by side; relative errors are predicted over executed - 1.

        Bytes and sends are means over all inferences. Where a stock of transfers is refilled,
        errors are those of the inference with the least sends beside its refills, since how many
        fall into one depends on those before it. Their number is what explains the bytes best,
        and the sends must then agree, too; it is there beside the mean that was predicted, with
        the error of the bytes of all inferences, refills included.

        A latency is predicted for the network that was asked, and for the round trip that its
        link really had.
        """
        inferences, protocol, predicted = self.executed.costs, self.protocol, self.predicted
        base_bytes = predicted.online_bytes - predicted.refills * protocol.refill_bytes
        base_sends = predicted.sends - predicted.refills * protocol.refill_sends
        refills = [_refills(base_bytes, cost, protocol) for cost in inferences]
        sent = np.array([cost.online_bytes for cost in inferences])
        sends = np.array([cost.sends for cost in inferences])
        own_bytes = sent - np.multiply(refills, protocol.refill_bytes)
        own_sends = sends - np.multiply(refills, protocol.refill_sends)
        counted = own_sends == own_sends.min() if protocol.refill_bytes else slice(None)
        row: dict[str, Any] = {
            "id": self.id,
            "online_bytes": float(sent.mean()),
            "bytes_error": base_bytes / float(own_bytes[counted].mean()) - 1,
            "sends": float(sends.mean()),
            "sends_error": base_sends / float(own_sends[counted].mean()) - 1,
            "latency_s": self.executed.wall_s,
        }
        if protocol.refill_bytes:
            row |= {"refills": refills, "predicted_refills": predicted.refills}
            row["bytes_error_with_refills"] = predicted.online_bytes / float(sent.mean()) - 1
        if network is not None and predicted.cpu_s is not None:
            row["predicted_latency_s"] = predicted.latency_s(network)
            row["latency_error"] = row["predicted_latency_s"] / self.executed.wall_s - 1
            if (rtt_ms := self.executed.rtt_ms) is not None:
                real_link = Network("measured", rtt_ms, network.mbit_per_s)
                at_link = predicted.latency_s(real_link)
                row |= {"link_rtt_ms": rtt_ms, "predicted_latency_at_link_s": at_link}
                row["latency_error_at_link"] = at_link / self.executed.wall_s - 1
        return row


def _refills(base_bytes: float, executed: MpcCost, protocol: Protocol) -> int:
    """Return how many refills explain what was sent beyond what needs none."""
    if not protocol.refill_bytes:
        return 0
    return max(0, round((executed.online_bytes - base_bytes) / protocol.refill_bytes))


def compare(
    space: SearchSpace,
    architectures: Sequence[Architecture],
    prices: OperatorPrices,
    *,
    network: Network | None = None,
    repeats: int = 1,
    progress: Progress | None = None,
) -> list[Comparison]:
    """Execute architectures with random weights, and predict them.

    Args:
        space: Of the architectures.
        architectures: To be executed, each by fresh parties.
        prices: Predict them.
        network: Shapes the link, where the system allows it.
        repeats: Inferences of each, after a warm-up; see `Execution` for what counts.
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
        arrays = random_arrays(program)
        images = [arrays["input"]] * repeats
        executed = execute(program, arrays, prices.protocol, images=images, network=network)
        results.append(Comparison(space.id_of(architecture), predicted, executed, prices.protocol))
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
        result["link_rtt_ms"] = float(np.mean([row["link_rtt_ms"] for row in rows]))
        for suffix in ("", "_at_link"):
            errors = np.abs([row[f"latency_error{suffix}"] for row in rows])
            result[f"latency_mape{suffix}"] = float(errors.mean())
            result[f"latency_largest_error{suffix}"] = float(errors.max())
        measured = [row["latency_s"] for row in rows]
        for name, values in {
            "latency_kendall": [row["predicted_latency_s"] for row in rows],
            "latency_kendall_at_link": [row["predicted_latency_at_link_s"] for row in rows],
            "bytes_only_kendall": [row["online_bytes"] for row in rows],
        }.items():
            result[name] = kendall_tau_b(values, measured)
    return result
