"""Which units of an activation it acts on: elements or channels of a map, or tokens.

A supernet has a score for each unit, and a block acts on those of the largest scores, as many as
its spec says, so that the kept sets of two specs are nested. A training method that learns masks
writes its own scores in place of the random ones; a subnet gets the mask made of them as a buffer
``mask``.
"""

from __future__ import annotations

import torch
from torch import Tensor

from search_spaces.modules.elastic import Elastic

__all__ = ["KeptUnits", "largest", "spread"]


def spread(units: int, count: int) -> Tensor:
    """Return a mask of `count` units at equal distances, bool [units]."""
    chosen = torch.zeros(units, dtype=torch.bool)
    chosen[torch.arange(count) * units // count] = True
    return chosen


def largest(scores: Tensor, count: int) -> Tensor:
    """Return where the largest scores are, bool, shaped as they are; of equal ones the first."""
    order = scores.flatten().argsort(descending=True, stable=True)
    chosen = torch.zeros(scores.numel(), dtype=torch.bool, device=scores.device)
    chosen[order[:count]] = True
    return chosen.reshape(scores.shape)


class KeptUnits(Elastic):
    """Base of elastic activations that act on some units.

    Args:
        scores: First scores; None where there is nothing to choose from.
        mask: Of the one spec that there is, where it acts on a part; else None.

    Attributes:
        scores: Buffer; the larger, the sooner a unit is kept. No loss has a gradient in it: a
            training method writes it. Absent where there is one spec only.
        mask: Buffer, bool, of one spec that keeps a part; else absent.
    """

    scores: Tensor
    mask: Tensor | None

    def __init__(self, scores: Tensor | None, mask: Tensor | None) -> None:
        super().__init__()
        if scores is not None:
            self.register_buffer("scores", scores)
            self.mask = None
        else:
            self.register_buffer("mask", mask)
