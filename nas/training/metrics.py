"""Lines of metrics.jsonl that training writes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from nas.files import atomic_write
from nas.runs import RunFolder
from nas.training.events import Events

__all__ = ["METRICS_EVERY", "MetricsLog", "forget_metrics_after", "loss_means"]

METRICS_EVERY = 10
"""Steps that one line is the mean of."""

_KINDS = ("train", "subnets")


@dataclass(frozen=True)
class MetricsLog:
    """Where lines of metrics go.

    Attributes:
        run: Whose metrics.jsonl takes them.
        events: Takes them as TensorBoard events, or nowhere.
    """

    run: RunFolder
    events: Events

    def add(self, row: Mapping[str, Any]) -> None:
        """Add one line; for errors see `RunFolder.append_metrics`."""
        self.run.append_metrics(row)
        self.events.add(row)


def loss_means(losses: Sequence[tuple[str, float]]) -> dict[str, float]:
    """Return the mean ``loss`` and, where there are several roles, ``loss_ROLE`` of each.

    Args:
        losses: Role and loss of every member of some steps, at least one.
    """
    by_role: dict[str, list[float]] = {}
    for role, loss in losses:
        by_role.setdefault(role, []).append(loss)
    means = {"loss": fmean(loss for _, loss in losses)}
    if len(by_role) > 1:
        means |= {f"loss_{role}": fmean(values) for role, values in by_role.items()}
    return means


def forget_metrics_after(run: RunFolder, step: int) -> None:
    """Remove the lines of training steps that are about to be done again."""
    rows = run.read_metrics()
    kept = [row for row in rows if row.get("kind") not in _KINDS or row["step"] <= step]
    if len(kept) < len(rows):
        atomic_write(run.metrics_path, "".join(json.dumps(row) + "\n" for row in kept))
