"""Progressive shrinking (Cai et al. 2020, once-for-all, arXiv:1908.09791, section 3.3).

The largest network is trained first; then stage by stage smaller options are opened: kernels,
depth, width, as the configuration says. Smaller networks start from the weights of the larger
ones, learn the labels and the soft labels of the largest as it was after the first stage, and
share one resolution in each step. In front of every later stage the channels are sorted by
importance inside the widths that were trained already, so what was trained computes what it
did, and narrower blocks get the important channels. Every stage has learning rates of its own
and begins with fresh optimizer state, as the runs of the published program do.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from nas.config import StageConfig, TrainConfig
from nas.training.largest import RESOLUTION
from nas.training.losses import Loss, label_and_soft_loss, label_loss
from nas.training.stages import OpenOptions, open_options
from nas.training.state import TrainState
from nas.training.strategies.member import Draw, Member, Moment
from nas.training.strategies.phase import Phase, Preparation, Strategy, cosine
from predictors import largest
from search_spaces import SearchSpace

__all__ = ["progressive"]


def progressive(space: SearchSpace, config: TrainConfig, steps_per_epoch: int) -> Strategy:
    """Return the strategy.

    Raises:
        ConfigError: A stage opens a choice or an option that the space lacks.
    """
    phases: list[Phase] = []
    before = OpenOptions.only(space, largest(space))
    first = 0
    for stage, opened in zip(config.stages, open_options(space, config.stages), strict=True):
        prepare: tuple[Preparation, ...] = ()
        loss = label_loss(config.label_smoothing)
        if phases:
            prepare = (TrainState.restart_optimizer,)
            if len(phases) == 1 and config.teacher_weight:
                prepare += (TrainState.keep_teacher,)
            prepare += (partial(TrainState.sort_channels, kept=before.blocks),)
            if config.teacher_weight:
                loss = label_and_soft_loss(config.label_smoothing, config.teacher_weight)
        steps = stage.epochs * steps_per_epoch
        rate = cosine(
            stage.learning_rate or config.learning_rate,
            stage.warmup_epochs * steps_per_epoch,
            steps,
            first=first,
        )
        draw = _draw(opened, stage, loss)
        taught = bool(phases and config.teacher_weight)
        phases.append(Phase(stage.name, steps, draw, rate, prepare, taught))
        before, first = opened, first + steps
    return Strategy(tuple(phases))


def _draw(opened: OpenOptions, stage: StageConfig, loss: Loss) -> Draw:
    """Return what draws a stage's subnets, of one resolution in each step."""
    names = [choice.name for choice in opened.space.choices]
    resolution = np.array([name == RESOLUTION for name in names])

    def draw(moment: Moment) -> tuple[Member, ...]:
        rows = opened.sample(stage.subnets, moment.rng())
        rows[:, resolution] = rows[:1, resolution]
        drawn = opened.space.decode_all(rows)
        return tuple(Member("subnet", a, loss, steady=opened.steady) for a in drawn)

    return draw
