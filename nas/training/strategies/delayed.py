"""Delayed epsilon-shrinking (Annavajjala et al. 2024, DepS, arXiv:2407.06167).

The largest network is trained alone for about half of the time. Then its channels are ordered
by importance once, and a sandwich begins, in which the gradients of the smaller subnets are
raised from nothing: their learning rate rises linearly to that of the largest over the ramp.
One schedule of learning rates runs through.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from nas.config import TrainConfig
from nas.training.losses import hard_loss
from nas.training.stages import OpenOptions
from nas.training.state import TrainState
from nas.training.strategies.member import Member, Moment
from nas.training.strategies.phase import Phase, Strategy, cosine
from nas.training.strategies.sandwich import layers_of_sandwich
from predictors import Macs, compile_cost, largest
from search_spaces import SearchSpace

__all__ = ["delayed", "ramp_weight"]


def delayed(space: SearchSpace, config: TrainConfig, steps_per_epoch: int) -> Strategy:
    """Return the strategy."""
    macs = compile_cost(space, Macs())
    full_epochs, ramp_epochs = config.delay
    steps = config.epochs * steps_per_epoch
    full, ramp = round(full_epochs * steps_per_epoch), round(ramp_epochs * steps_per_epoch)
    rate = cosine(config.learning_rate, config.warmup_epochs * steps_per_epoch, steps)
    alone = (Member("largest", largest(space), hard_loss(config), steady=True),)

    def draw(moment: Moment) -> tuple[Member, ...]:
        rows = space.sample(config.random_subnets, moment.rng())
        first, *others = layers_of_sandwich(macs, config, space.decode_all(rows))
        weight = ramp_weight(moment.step - full, ramp, rate=rate, step=moment.step)
        return (first, *(replace(member, weight=weight) for member in others))

    kept = OpenOptions.only(space, largest(space)).blocks
    sort = partial(TrainState.sort_channels, kept=kept)
    return Strategy(
        (
            Phase("full", full, lambda moment: alone, rate),
            Phase("shrink", steps - full, draw, rate, (sort,)),
        )
    )


def ramp_weight(done: int, ramp: int, *, rate: Callable[[int], float], step: int) -> float:
    """Return the weight of the smaller subnets' gradients.

    The learning rate that they feel is the weight times that of the step. It rises linearly
    towards the one with which the ramp ends, which it then equals.

    Args:
        done: Steps since the ramp began.
        ramp: Steps of the ramp.
        rate: The learning rate by step.
        step: Of the whole training.
    """
    if done >= ramp:
        return 1.0
    end = rate(step - done + ramp)
    return end * (done + 1) / (ramp + 1) / rate(step)
