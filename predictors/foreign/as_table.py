"""A published latency table as one of ours, for a space whose blocks it covers."""

from __future__ import annotations

from datetime import UTC, datetime

from predictors.errors import TableError
from predictors.foreign.lookup import LookupTable
from predictors.latency import (
    Conditions,
    Device,
    Identity,
    LatencyTable,
    Row,
    SpaceIdentity,
    Timing,
)
from predictors.latency.plan import distinct_work
from search_spaces import SearchSpace

__all__ = ["table_of_lookup"]


def table_of_lookup(lookup: LookupTable, space: SearchSpace) -> LatencyTable:
    """Return a table with a row for every block of a space.

    The files tell the mean of each row only, and nothing of the runtime: spreads are zero, the
    number of runs is zero, and no network calibrates or validates the table.

    Raises:
        TableError: The file lacks blocks of the space, or its device is not named.
    """
    if not lookup.device:
        raise TableError(
            f"{lookup.source} does not say what it was measured on. Name it with --device, for "
            "example --device 'Samsung Note10'."
        )
    lookup.check(space)
    rows = []
    for block in distinct_work(space).values():
        mean = lookup(block)
        rows.append(Row(block, Timing(mean, mean, mean, 0.0, 0, (mean, mean))))
    identity = Identity(
        SpaceIdentity.of(space),
        Conditions("published", f"{lookup.dialect} {lookup.source}", 1, 1, "float32"),
        Device.named(lookup.device),
    )
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return LatencyTable(identity, now, now, 0, 0.0, tuple(rows))
