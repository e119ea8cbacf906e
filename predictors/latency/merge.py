"""Two measurements of the same thing as one table."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from predictors.errors import TableError
from predictors.latency.assemble import judge
from predictors.latency.graph import Executed, executed
from predictors.latency.runner.timing import Timing
from predictors.latency.table import LatencyTable, MeasuredNetwork, Row
from search_spaces import Architecture, SearchSpace

__all__ = ["merge_tables"]

_CONTRADICTION = 0.25
_NAMED = 3


def merge_tables(space: SearchSpace, first: LatencyTable, second: LatencyTable) -> LatencyTable:
    """Return one table of two measurements of the same space, device and conditions.

    Latencies are brought to the faster state of the machine by the reference network, and
    averaged by their numbers of runs. A network that calibrates in one table and validates in
    the other calibrates. The result is calibrated and validated anew.

    Raises:
        TableError: Space, device or conditions differ, both are the same measurement, or rows
            contradict each other.
    """
    names = f"{first.source} and {second.source}"
    differences = first.identity.differences(second.identity)
    if differences:
        raise TableError(
            f"{names} are of different things: {'; '.join(differences)}. Tables of different "
            "devices or runtimes are never mixed; compare them with: nas lut diff."
        )
    if first.started == second.started and first.rows == second.rows:  # seconds are coarse
        raise TableError(f"{names} are the same measurement. Merge two different ones.")
    references = [table.checked_reference() for table in (first, second)]
    if references[0].architecture != references[1].architecture:
        raise TableError(f"{names} have different reference networks, so they cannot be compared.")
    usual = min(reference.latency_ms for reference in references)
    rows = [
        {executed(row.block): row for row in _scaled(table, usual)} for table in (first, second)
    ]
    _refuse_contradictions(names, list(zip(*_common(*rows), strict=True)))
    merged = {**rows[1], **rows[0]}
    for work, row in rows[1].items():
        if work in rows[0]:
            merged[work] = Row(row.block, _mean(rows[0][work].timing, row.timing))
    table = dataclasses.replace(
        first,
        started=min(first.started, second.started),
        finished=max(first.finished, second.finished),
        rounds=first.rounds + second.rounds,
        call_ms=float(
            np.average([first.call_ms, second.call_ms], weights=[first.rounds, second.rounds])
        ),
        rows=tuple(merged.values()),
        networks=_networks(first, second, usual),
        reference=dataclasses.replace(references[0], latency_ms=usual),
    )
    return judge(space, table)


def _scaled(table: LatencyTable, usual_ms: float) -> list[Row]:
    factor = usual_ms / table.checked_reference().latency_ms
    return [Row(row.block, row.timing.scaled(factor)) for row in table.rows]


def _common(
    first: Mapping[Executed, Row], second: Mapping[Executed, Row]
) -> tuple[list[Row], list[Row]]:
    both = [work for work in first if work in second]
    return [first[work] for work in both], [second[work] for work in both]


def _refuse_contradictions(names: str, pairs: list[tuple[Row, Row]]) -> None:
    """Refuse rows that differ by more than a quarter and by more than both spreads.

    Raises:
        TableError: There are some.
    """
    found = []
    for one, other in pairs:
        a, b = one.timing, other.timing
        allowed = max(_CONTRADICTION, a.spread + b.spread)
        if max(a.latency_ms, b.latency_ms) > (1 + allowed) * min(a.latency_ms, b.latency_ms):
            found.append(f"{one.block}: {a.latency_ms:.4g} and {b.latency_ms:.4g} ms")
    if found:
        raise TableError(
            f"{names} contradict each other in {len(found)} of {len(pairs)} rows: "
            f"{'; '.join(found[:_NAMED])}. One of them was measured while something else ran; "
            "measure again and keep the one that validates better."
        )


def _mean(a: Timing, b: Timing) -> Timing:
    """Return the timing of both; its halves are the two measurements."""

    def mean(x: float, y: float) -> float:
        return float(np.average([x, y], weights=[a.runs, b.runs]))

    return Timing(
        latency_ms=mean(a.latency_ms, b.latency_ms),
        median_ms=mean(a.median_ms, b.median_ms),
        min_ms=min(a.min_ms, b.min_ms),
        spread=max(a.spread, b.spread),
        runs=a.runs + b.runs,
        halves_ms=(a.latency_ms, b.latency_ms),
    )


def _networks(
    first: LatencyTable, second: LatencyTable, usual_ms: float
) -> tuple[MeasuredNetwork, ...]:
    found: dict[Architecture, MeasuredNetwork] = {}
    for table in (first, second):
        factor = usual_ms / table.checked_reference().latency_ms
        for net in table.networks:
            scaled = dataclasses.replace(net, timing=net.timing.scaled(factor))
            other = found.get(net.architecture)
            if other is not None:
                calibrates = "calibration" in (net.role, other.role)
                scaled = dataclasses.replace(
                    scaled,
                    role="calibration" if calibrates else "validation",
                    timing=_mean(other.timing, scaled.timing),
                )
            found[net.architecture] = scaled
    return tuple(found.values())
