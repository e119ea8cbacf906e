"""The three disjoint splits of a run."""

from __future__ import annotations

from dataclasses import dataclass

from nas.data.image_set import ImageSet
from nas.data.streaming import Images

__all__ = ["DataSplits"]


@dataclass(frozen=True)
class DataSplits:
    """Training, validation and test images; no image is in two of them.

    Attributes:
        train: What weights and batch-norm statistics are fitted on.
        validation: What the search is guided by; held out of the training split.
        test: What the final subnets are scored on, once.
        mean: Per channel, of `train`, on the scale [0, 1].
        std: Per channel, of `train`, on the scale [0, 1]; at least one grey level (1/255).
        source: Where the images came from, for people.
    """

    train: Images
    validation: ImageSet
    test: Images
    mean: tuple[float, ...]
    std: tuple[float, ...]
    source: str
