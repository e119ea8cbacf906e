"""A tiny network trained inside larger ones (Cai et al. 2022, NetAug, arXiv:2110.08890).

A tiny network underfits. So every step trains it, the target, and a larger network that contains
it, drawn at random, and updates the weights once from the sum of their gradients (section 3.1).
The target is leading slices of the larger ones, and only it is kept.

As in the authors' program some choices are varied for the first part of the training only, by
default half of it; as long as they are, the channels inside blocks are sorted by importance in
front of every epoch, so that the target has the important ones.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from nas.config import NetAugConfig, TrainConfig
from nas.errors import ConfigError, nearest
from nas.training.losses import hard_loss
from nas.training.stages import OpenOptions, choices_like
from nas.training.state import TrainState
from nas.training.strategies.member import Draw, Member, Moment
from nas.training.strategies.phase import Phase, Preparation, Strategy, cosine
from predictors import Macs, compile_cost
from search_spaces import Architecture, SearchSpace

__all__ = ["netaug"]


def netaug(space: SearchSpace, config: TrainConfig, steps_per_epoch: int) -> Strategy:
    """Return the strategy.

    Raises:
        ConfigError: The target has a choice or an option that the space lacks, or a choice that
            is to be varied has options that are no numbers.
    """
    section = config.netaug
    target = _target(space, section)
    varied = _larger(space, target, section.vary)
    steps = config.epochs * steps_per_epoch
    rate = cosine(config.learning_rate, config.warmup_epochs * steps_per_epoch, steps)
    early_epochs = config.early_epochs if section.vary_early else 0
    everything = _larger(space, target, (*section.vary, *section.vary_early))
    choose: Preparation = partial(_choose, target=target)
    sort = partial(TrainState.sort_channels, kept=_largest_of(everything).blocks)
    phases = [
        Phase(
            "early",
            steps_per_epoch,
            _draw(target, everything, config),
            rate,
            (choose, sort) if epoch == 0 else (sort,),
        )
        for epoch in range(early_epochs)
    ]
    left = steps - early_epochs * steps_per_epoch
    if left:
        first = () if phases else (choose,)
        phases.append(Phase("late", left, _draw(target, varied, config), rate, first))
    return Strategy(tuple(phases))


def _choose(state: TrainState, *, target: Architecture) -> None:
    state.chosen = [target]


def _draw(target: Architecture, larger: OpenOptions, config: TrainConfig) -> Draw:
    """Return what draws the target and a network around it; the target alone if there is none."""
    loss = hard_loss(config)
    alone = all(len(options) == 1 for options in larger.options)

    def draw(moment: Moment) -> tuple[Member, ...]:
        first = Member("target", target, loss, steady=True)
        if alone:
            return (first,)
        (around,) = larger.space.decode_all(larger.sample(1, moment.rng()))
        return first, Member("augmented", around, loss, config.netaug.weight)

    return draw


def _target(space: SearchSpace, section: NetAugConfig) -> Architecture:
    """Return the smallest architecture, with the options that the section gives it."""
    options = dict(compile_cost(space, Macs()).minimum().architecture)
    for pattern, option in section.target.items():
        for column in choices_like(space, pattern, "train.netaug.target"):
            choice = space.choices[column]
            if option not in choice.options:
                raise ConfigError(
                    f"train.netaug.target gives {choice.name!r} the option {option!r}. "
                    f"{nearest(str(option), map(str, choice.options))}"
                )
            options[choice.name] = option
    return Architecture(options)


def _larger(space: SearchSpace, target: Architecture, patterns: tuple[str, ...]) -> OpenOptions:
    """Return the target's options, and those beyond them of the choices that are varied."""
    options: list[NDArray[np.int16]] = list(OpenOptions.only(space, target).options)
    for pattern in patterns:
        for column in choices_like(space, pattern, "train.netaug"):
            choice = space.choices[column]
            sizes = {i: o for i, o in enumerate(choice.options) if not isinstance(o, str)}
            if len(sizes) < len(choice.options):
                raise ConfigError(
                    f"train.netaug varies {choice.name!r}, whose options {list(choice.options)} "
                    "are no sizes. Vary widths and expansions."
                )
            least = sizes[choice.index(target[choice.name])]
            larger = sorted((size, i) for i, size in sizes.items() if size >= least)
            options[column] = np.array([i for _, i in larger], dtype=np.int16)
    return OpenOptions(space, tuple(options))


def _largest_of(larger: OpenOptions) -> OpenOptions:
    """Return the largest of the networks that may be drawn."""
    return OpenOptions(larger.space, tuple(options[-1:] for options in larger.options))
