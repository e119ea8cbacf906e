"""Rows of a table that cannot be, or hardly can be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from predictors.latency.runner.timing import Timing
from search_spaces.blocks import BlockSpec, layers_of

__all__ = ["Suspicion", "suspicious_rows"]

_MARGIN = 0.15


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A row to look at.

    Attributes:
        block: Of the row.
        reason: What is wrong with its latency.
    """

    block: BlockSpec
    reason: str


def suspicious_rows(
    blocks: Sequence[BlockSpec], timings: Sequence[Timing], call_ms: float
) -> tuple[Suspicion, ...]:
    """Return the rows that do not cost more than an empty call or are faster than smaller blocks.

    A block is compared with blocks of the same layers that have no more multiply-accumulates,
    weights and outputs in any layer. To be reported it must be faster than one by 15 % and by
    both spreads. Kernels that prefer some channel counts (multiples of 8 or 16) make such rows,
    too; they are reported, and used as measured.

    Args:
        blocks: Of all rows.
        timings: Of the same rows.
        call_ms: Cost of an empty call.
    """
    found = [
        Suspicion(block, f"{timing.latency_ms:.4g} ms, no more than an empty call ({call_ms:.4g})")
        for block, timing in zip(blocks, timings, strict=True)
        if timing.latency_ms <= call_ms
    ]
    groups: dict[tuple[tuple[str, int], ...], list[int]] = {}
    for i, block in enumerate(blocks):
        kind = tuple((layer.op, layer.stride) for layer in layers_of(block))
        groups.setdefault(kind, []).append(i)
    for rows in groups.values():
        found += _too_fast([blocks[i] for i in rows], [timings[i] for i in rows])
    return tuple(found)


def _too_fast(blocks: Sequence[BlockSpec], timings: Sequence[Timing]) -> list[Suspicion]:
    """Return the blocks of one kind that are clearly faster than a block of less work."""
    work = np.array([_work(block) for block in blocks], dtype=np.float64)
    latency = np.array([timing.latency_ms for timing in timings])
    spread = np.array([timing.spread for timing in timings])
    found = []
    for i in range(len(blocks)):
        no_more = (work <= work[i]).all(axis=1) & (work < work[i]).any(axis=1)
        excess = latency / latency[i] - 1 - np.maximum(_MARGIN, spread + spread[i])
        worst = int(np.where(no_more, excess, -np.inf).argmax())
        if no_more[worst] and excess[worst] > 0:
            found.append(
                Suspicion(
                    blocks[i],
                    f"{latency[i]:.4g} ms, while the smaller {blocks[worst]} takes "
                    f"{latency[worst]:.4g} ms",
                )
            )
    return found


def _work(block: BlockSpec) -> list[int]:
    return [
        number
        for layer in layers_of(block)
        for number in (layer.macs, layer.params, int(np.prod(layer.out_shape)))
    ]
