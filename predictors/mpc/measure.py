"""Measuring operators with the engine: bytes, sends, rounds and seconds at exact sizes."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictors.errors import MeasurementError, TableError
from predictors.latency import device_identity
from predictors.mpc.cost import MpcCost
from predictors.mpc.engine.process import Pool, refuse_under_load
from predictors.mpc.parties import Parties, RoundMeter, operator_s
from predictors.mpc.profiles import Protocol
from predictors.mpc.program import Operator, operators_of
from predictors.mpc.table import MpcTable, load_mpc_table, save_mpc_table
from search_spaces import SearchSpace
from search_spaces.progress import Progress, silent

__all__ = ["build_mpc_table", "operators_of_space"]

_REPEATS = 3
_REPEATS_WITH_REFILLS = 8
"""A large operator refills a stock of oblivious transfers in about every second run."""
_WARM_UP = (Operator("relu", (4096,)), Operator("matmul", (1, 64, 64, 64)))
_TOLERANCE = 0.05


def operators_of_space(space: SearchSpace) -> list[Operator]:
    """Return every different operator that a network of a space can need, sorted.

    Raises:
        TableError: A layer has no private form.
    """
    return sorted({op for block in space.distinct_blocks() for op in operators_of(block)})


def build_mpc_table(
    operators: Iterable[Operator],
    protocol: Protocol,
    path: Path,
    *,
    repeats: int | None = None,
    under_load: bool = False,
    progress: Progress | None = None,
) -> MpcTable:
    """Measure what a table lacks, and write it after every operator.

    Every operator runs several times after a warm-up of the session, which a first reading
    would hold: keys, oblivious transfers, compiled code. Bytes and sends are means over runs in
    one process, so that refills of a stock of transfers, which now and then fall into a run, are
    in them. Seconds are those between processes over the loopback device: computing, handling
    messages, and waiting for the other's processor. Rounds of a protocol whose sends are no
    rounds are measured over a slow link; where none can be shaped, they are the sends of all
    parties, an upper bound.

    Args:
        operators: To be measured.
        protocol: That computes them.
        path: Of the table; rows that it has are kept.
        repeats: Runs of each operator; by default more where some of them refill a stock.
        under_load: Measure although more runs on the machine than it has processors.
        progress: Told how far the work has come.

    Raises:
        MeasurementError: The engine fails, the machine is too busy, or a result is wrong.
        TableError: The file is a table of another protocol, engine or machine.
    """
    report = progress or silent
    if repeats is None:
        repeats = _REPEATS_WITH_REFILLS if protocol.refill_bytes else _REPEATS
    device = str(device_identity())
    table = MpcTable(protocol, device, {}, "")
    if path.exists():
        table = _continued(load_mpc_table(path), protocol, device, path)
    todo = table.missing(operators)
    if not todo:
        return table
    if not under_load:
        refuse_under_load()
    with Pool(protocol) as pool, contextlib.ExitStack() as stack:
        if table.versions and dict(table.versions) != pool.versions:
            raise TableError(
                f"{path} was measured with {dict(table.versions)}, and this engine is "
                f"{pool.versions}. Measure a new table."
            )
        near = stack.enter_context(Parties(protocol))
        rounds: RoundMeter | None = None
        if not protocol.sends_are_rounds:
            rounds = stack.enter_context(RoundMeter(protocol))
        for operator in _WARM_UP:
            _measured(pool, operator, 1)
            operator_s(near, operator)
            if rounds is not None:
                rounds(operator)
        for done, operator in enumerate(todo):
            report(done, len(todo), str(operator))
            cost = _measured(pool, operator, repeats)
            cost = dataclasses.replace(cost, cpu_s=operator_s(near, operator))
            if rounds is not None and rounds.shaped and cost.sends:
                cost = dataclasses.replace(cost, rounds=rounds(operator))
            table = dataclasses.replace(
                table,
                versions=pool.versions,
                date=datetime.datetime.now(datetime.UTC).date().isoformat(),
                rows={**table.rows, operator: cost},
                load=max(table.load, os.getloadavg()[0]),
            )
            save_mpc_table(table, path)
        report(len(todo), len(todo), "done")
    return table


def _continued(table: MpcTable, protocol: Protocol, device: str, path: Path) -> MpcTable:
    if table.protocol != protocol:
        raise TableError(
            f"{path} is a table of {table.protocol.name}, not of {protocol.name}. Give the new "
            "one another name."
        )
    if table.device != device:
        raise TableError(
            f"{path} was measured on {table.device}, and this is {device}. Its processor times "
            "do not mix with those of this machine; give the new table another name."
        )
    return table


def _measured(pool: Pool, operator: Operator, repeats: int) -> MpcCost:
    """Return what one operator sends on average, over some runs after one that warms it up.

    Raises:
        MeasurementError: Its result is wrong.
    """
    request = {"kind": operator.kind, "sizes": operator.sizes}
    runs = [pool.run(request) for _ in range(1 + repeats)][1:]
    worst = max(run["largest_difference"] for run in runs)
    if worst > _TOLERANCE * max(1.0, runs[0]["largest_value"]):
        raise MeasurementError(
            f"The engine computed {operator} with an error of {worst:.3g}: its numbers do not "
            "fit. Nothing was kept of it."
        )
    sent, sends, refills = _with_refills(runs, pool.protocol)
    return MpcCost(
        online_bytes=sent,
        one_way_bytes=float(np.mean([run["one_way_bytes"] for run in runs])),
        sends=sends,
        rounds=pool.protocol.most_rounds(sends),
        cpu_s=None,
        refills=refills,
    )


def _with_refills(
    runs: Sequence[Mapping[str, Any]], protocol: Protocol
) -> tuple[float, float, float]:
    """Return mean bytes and sends of runs one after another, and the refills in a mean run.

    Where there are refills, bytes and sends are the least plus those of the refills: one run in
    some thirty refills another stock, with 1,280 messages of 209 bytes, which no mean of few runs
    should hold.
    """
    sent, sends = (np.array([run[key] for run in runs]) for key in ("online_bytes", "sends"))
    if not protocol.refill_bytes:
        return float(sent.mean()), float(sends.mean()), 0.0
    refills = _rate(np.rint((sent - sent.min()) / protocol.refill_bytes))
    return (
        float(sent.min() + refills * protocol.refill_bytes),
        float(sends.min() + refills * protocol.refill_sends),
        refills,
    )


def _rate(refills: NDArray[np.float64]) -> float:
    """Return the refills of a mean run from those of every run.

    What runs since a refill have used is known at the next one. The first refill is no
    evidence: it made up for what ran before.
    """
    met = np.flatnonzero(refills)
    return float(refills[met[1:]].sum() / (met[-1] - met[0])) if len(met) > 1 else 0.0
