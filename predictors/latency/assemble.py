"""From a measurement to a table, and from further networks to a better known one."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from predictors.errors import TableError
from predictors.latency.calibration import Calibration, calibrate
from predictors.latency.cost import TableCost
from predictors.latency.graph import network, weight_megabytes
from predictors.latency.measurement import Measurement
from predictors.latency.table import LatencyTable, MeasuredNetwork, Reference, Row
from predictors.latency.validation import Validation, validate
from search_spaces import Architecture, SearchSpace

__all__ = ["assemble", "judge", "machine_drift", "with_networks"]


def assemble(space: SearchSpace, measurement: Measurement) -> LatencyTable:
    """Return the table of a measured plan, calibrated and validated by its networks."""
    plan, timings = measurement.plan, measurement.timings
    rows = [
        Row(item.block, found[0])
        for item, found in zip(plan.items, timings, strict=True)
        if item.block is not None
    ]
    assert plan.reference.architecture is not None
    table = LatencyTable(
        measurement.identity,
        measurement.started,
        measurement.finished,
        measurement.rounds,
        measurement.call_ms,
        tuple(rows),
        reference=Reference(plan.reference.architecture, measurement.reference_ms),
    )
    return judge(space, dataclasses.replace(table, networks=_networks(measurement)))


def _networks(measurement: Measurement, factor: float = 1.0) -> tuple[MeasuredNetwork, ...]:
    """Return the measured networks, not yet estimated, with their latencies times a factor."""
    return tuple(
        MeasuredNetwork(item.role, item.architecture, float("nan"), found[0].scaled(factor))
        for item, found in zip(measurement.plan.items, measurement.timings, strict=True)
        if item.architecture is not None and item.role in ("calibration", "validation")
    )


def judge(space: SearchSpace, table: LatencyTable) -> LatencyTable:
    """Return a table calibrated and validated anew by the networks it holds."""
    bare = dataclasses.replace(table, calibration=calibrate(*_fitted(space, table)))
    price = bare.cost_model()
    checked = tuple(
        dataclasses.replace(net, estimated_ms=_estimate(space, price, net.architecture))
        for net in table.networks
    )
    return dataclasses.replace(bare, networks=checked, validation=_validation(checked))


def with_networks(
    space: SearchSpace, table: LatencyTable, measurement: Measurement
) -> LatencyTable:
    """Return a table with further networks, which take the place of those of the same role.

    The machine may be faster or slower than when the table was built; the reference network
    tells by how much, and the new latencies are corrected by it.

    Args:
        space: The table's.
        table: With a reference.
        measurement: Of a plan of networks.

    Raises:
        TableError: Device, runtime or conditions differ from the table's.
    """
    differences = table.identity.differences(measurement.identity)
    if differences:
        raise TableError(
            f"{table.source} is of another measurement: {'; '.join(differences)}. Measure on the "
            "device, and with the runtime, that the table is of."
        )
    new = _networks(measurement, 1 / machine_drift(table, measurement))
    roles = {net.role for net in new}
    kept = tuple(net for net in table.networks if net.role not in roles)
    return judge(space, dataclasses.replace(table, networks=(*kept, *new)))


def machine_drift(table: LatencyTable, measurement: Measurement) -> float:
    """Return how slow the machine was in a measurement, over when the table was built."""
    return measurement.reference_ms / table.checked_reference().latency_ms


def _fitted(
    space: SearchSpace, table: LatencyTable
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return features [n, 4] and latencies in ms [n] of the networks to calibrate with."""
    networks = [net for net in table.networks if net.role == "calibration"]
    bare = dataclasses.replace(table, calibration=Calibration())
    features = _features(space, bare.cost_model(), [net.architecture for net in networks])
    return features, np.array([net.timing.latency_ms for net in networks])


def _features(
    space: SearchSpace, price: TableCost, architectures: Sequence[Architecture]
) -> NDArray[np.float64]:
    """Return what `calibrate` fits, float64 [n, 4]: sums of rows, blocks, weights."""
    features = []
    for architecture in architectures:
        blocks = [step.block for step in network(space, architecture)]
        first = sum(price(block) for block in blocks if price.reads_input(block))
        others = sum(price(block) for block in blocks if not price.reads_input(block))
        megabytes = sum(weight_megabytes(block) for block in blocks)
        features.append((others, first, len(blocks), megabytes))
    return np.array(features, dtype=np.float64).reshape(-1, 4)


def _estimate(space: SearchSpace, price: TableCost, architecture: Architecture) -> float:
    """Return the latency of a network by the table."""
    blocks = [step.block for step in network(space, architecture)]
    return price.constant + sum(price(block) for block in blocks)


def _validation(networks: Sequence[MeasuredNetwork]) -> Validation | None:
    held_out = [net for net in networks if net.role == "validation"]
    return validate(
        np.array([net.estimated_ms for net in held_out]),
        np.array([net.timing.latency_ms for net in held_out]),
        np.array([net.timing.halves_ms for net in held_out]),
    )
