"""Several architectures in one batch (Liao et al. 2021, ViT-ResNAS, arXiv:2109.00642).

The images of a step are divided among some random paths, and the weights are updated once from
the gradient of the mean loss. A step sees as many images as one path would, but its gradient
speaks for several architectures, which is less noisy.

The authors run the groups as one batch of the largest network with channels masked. Here every
group runs its own slices: the same gradients, batch norm by the statistics of the group, any
space, any mix of resolutions, and the multiply-accumulates of the paths instead of those of the
largest. What that is worth is measured in docs/training.md.
"""

from __future__ import annotations

from nas.config import TrainConfig
from nas.training.losses import hard_loss
from nas.training.strategies.member import Member, Moment
from nas.training.strategies.phase import Strategy, one_phase
from search_spaces import SearchSpace

__all__ = ["multi_architecture"]


def multi_architecture(space: SearchSpace, config: TrainConfig, steps_per_epoch: int) -> Strategy:
    """Return the strategy; groups differ in size by one image at most.

    They take turns in the batch, so that each process of several has images of every group.
    """
    loss, count = hard_loss(config), config.architectures
    groups = [slice(first, None, count) for first in range(count)]

    def draw(moment: Moment) -> tuple[Member, ...]:
        paths = space.decode_all(space.sample(count, moment.rng()))
        return tuple(
            Member("path", path, loss, _share(group, config.batch_size), images=group)
            for path, group in zip(paths, groups, strict=True)
        )

    return one_phase(config, steps_per_epoch, draw)


def _share(group: slice, batch_size: int) -> float:
    """Return which part of a batch a group is: the mean loss of all images weighs it so."""
    return len(range(batch_size)[group]) / batch_size
