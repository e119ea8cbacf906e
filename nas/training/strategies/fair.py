"""Strict fairness (Chu et al. 2021, FairNAS, arXiv:1907.01845, section 3.2).

A step trains as many paths as the choice with most options has options, and updates the weights
once from their summed gradients. Over the sequence of all paths every choice goes through its
options in cycles, each in a random order: every option exactly once in a cycle. Where all
choices have the same number of options, as in the paper, a step is one cycle of all of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nas.config import TrainConfig
from nas.rng import stream
from nas.training.losses import hard_loss
from nas.training.strategies.member import Member, Moment
from nas.training.strategies.phase import Strategy, one_phase
from search_spaces import SearchSpace

__all__ = ["fair"]


def fair(space: SearchSpace, config: TrainConfig, steps_per_epoch: int) -> Strategy:
    """Return the strategy."""
    loss = hard_loss(config)
    paths = int(space.option_counts.max())

    def draw(moment: Moment) -> tuple[Member, ...]:
        numbers = range(moment.step * paths, (moment.step + 1) * paths)
        columns = [
            _options(moment.seed, choice, int(options), numbers)
            for choice, options in enumerate(space.option_counts)
        ]
        rows = np.stack(columns, axis=1)
        return tuple(Member("path", path, loss) for path in space.decode_all(rows))

    return one_phase(config, steps_per_epoch, draw)


def _options(seed: int, choice: int, options: int, numbers: range) -> NDArray[np.int16]:
    """Return the option of one choice in each of some paths of the whole training."""
    cycles = range(numbers.start // options, (numbers.stop - 1) // options + 1)
    orders = [stream(seed, "fair", choice, cycle).permutation(options) for cycle in cycles]
    first = numbers.start - cycles.start * options
    return np.concatenate(orders)[first : first + len(numbers)].astype(np.int16)
