"""How subnets do while the supernet trains: the smallest, a median one and the largest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

import numpy as np

from nas.config import EvaluateConfig, TrainConfig
from nas.data import DataSplits
from nas.evaluation import SubnetEvaluator
from nas.rng import stream
from predictors import Macs, compile_cost
from search_spaces import Architecture, SearchSpace
from search_spaces.supernet import Supernet

__all__ = ["subnet_watch", "watched_subnets"]

_DRAWS = 1001


@lru_cache(maxsize=4)
def watched_subnets(space: SearchSpace) -> Mapping[str, Architecture]:
    """Return the subnets of fewest and of most MACs and, of 1001 drawn, that of median MACs."""
    macs = compile_cost(space, Macs())
    rows = space.canonical(space.sample(_DRAWS, stream(0, "watched")))
    median = rows[np.argsort(macs(rows), kind="stable")[_DRAWS // 2]]
    return {
        "smallest": macs.minimum().architecture,
        "median": space.decode(median),
        "largest": macs.maximum().architecture,
    }


def subnet_watch(
    supernet: Supernet, splits: DataSplits, train: TrainConfig, evaluate: EvaluateConfig
) -> Callable[[], dict[str, float]]:
    """Return what measures ``accuracy_smallest``, ``accuracy_median`` and ``accuracy_largest``.

    Each subnet is extracted, its batch norm recalibrated, and scored on the validation split,
    as a search does it. The supernet stays in the mode in which it is.

    Raises:
        DataError: More calibration images are asked for than there are training images.
    """
    training = supernet.training
    evaluator = SubnetEvaluator(supernet, splits, evaluate, device=train.device)
    supernet.train(training)
    return lambda: {
        f"accuracy_{name}": evaluator(architecture)["accuracy"].value
        for name, architecture in watched_subnets(supernet.space).items()
    }
