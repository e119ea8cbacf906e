"""How much the members of an ensemble differ in what they say.

Of two members, the total variation distance of their predicted probabilities, half the sum of
absolute differences: 0 where they agree in all, 1 where they share no class. The diversity of an
ensemble is the mean over images and pairs of members. One-shot neural ensemble search guides the
shrinking of its space by the diversity of operators (Chen et al. 2021, arXiv:2104.00597); here
it is measured of whole members, on their outputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import combinations
from typing import Any

import torch
from torch import Tensor, nn

from search_spaces.ensemble import AVERAGE
from search_spaces.modules.network import Subnet

__all__ = ["DiversityMeter", "metered", "pairwise_distance"]


def pairwise_distance(logits: Sequence[Tensor]) -> Tensor:
    """Return the mean over pairs of members of their distance on every image, [n].

    Args:
        logits: Of each of at least two members, [n, classes].
    """
    said = [member.float().softmax(dim=1) for member in logits]
    pairs = [0.5 * (a - b).abs().sum(dim=1) for a, b in combinations(said, 2)]
    return torch.stack(pairs).mean(dim=0)


class DiversityMeter:
    """Adds up the distances of an ensemble's members while it runs."""

    def __init__(self) -> None:
        self._total, self._images = 0.0, 0

    def __call__(self, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        """Take in the members' logits; a forward hook of the module that averages them."""
        self._total += float(pairwise_distance(inputs).sum())
        self._images += len(inputs[0])

    @property
    def value(self) -> float:
        """The mean over all images so far, in [0, 1]."""
        return self._total / self._images


@contextmanager
def metered(ensemble: nn.Module) -> Iterator[DiversityMeter]:
    """Measure the diversity of an ensemble in all that it computes inside the ``with`` block.

    Args:
        ensemble: A subnet of an `EnsembleSpace`.
    """
    assert isinstance(ensemble, Subnet)
    meter = DiversityMeter()
    hook = ensemble.blocks[AVERAGE].register_forward_pre_hook(meter)
    try:
        yield meter
    finally:
        hook.remove()
