"""Training strategies: which architectures a step trains, and what each of them learns.

A strategy is one function in one file. To add one, write a factory that takes the space, the
training section and the steps of an epoch and returns a `Strategy`, and name it in `STRATEGIES`
and in the configuration's `TrainConfig.strategy`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nas.config import TrainConfig
from nas.training.strategies.attentive import attentive
from nas.training.strategies.autorep import autorep
from nas.training.strategies.costs import Costs, costs_of
from nas.training.strategies.delayed import delayed
from nas.training.strategies.fair import fair
from nas.training.strategies.finetune import finetune
from nas.training.strategies.gold_nas import gold_nas
from nas.training.strategies.member import Draw, Member, Moment
from nas.training.strategies.mpcvit import mpcvit
from nas.training.strategies.multi_architecture import multi_architecture
from nas.training.strategies.netaug import netaug
from nas.training.strategies.phase import Phase, Strategy
from nas.training.strategies.prenas import prenas
from nas.training.strategies.progressive import progressive
from nas.training.strategies.proxyless import proxyless
from nas.training.strategies.sandwich import sandwich
from nas.training.strategies.single_path import single_path
from nas.training.strategies.snl import snl
from search_spaces import SearchSpace

__all__ = [
    "STRATEGIES",
    "Draw",
    "Member",
    "Moment",
    "Phase",
    "Strategy",
    "build_strategy",
    "costs_of",
]

STRATEGIES: Mapping[str, Callable[..., Strategy]] = {
    "single_path": single_path,
    "fair": fair,
    "multi_architecture": multi_architecture,
    "sandwich": sandwich,
    "attentive": attentive,
    "delayed": delayed,
    "progressive": progressive,
    "prenas": prenas,
    "netaug": netaug,
    "proxyless": proxyless,
    "mpcvit": mpcvit,
    "autorep": autorep,
    "snl": snl,
    "gold_nas": gold_nas,
    "finetune": finetune,
}
"""Factories by the name that a configuration gives; see `build_strategy`."""

_PRICED = ("proxyless", "mpcvit", "autorep", "snl")  # they may learn or choose by a cost


def build_strategy(
    space: SearchSpace, config: TrainConfig, steps_per_epoch: int, costs: Costs | None = None
) -> Strategy:
    """Return the strategy that a configuration names.

    Args:
        space: Of the supernet.
        config: The training section.
        steps_per_epoch: Whole batches in an epoch.
        costs: That the section may name, looked up when training begins; by default MACs and
            parameters.

    Raises:
        ConfigError: The strategy does not go with the space.
    """
    factory = STRATEGIES[config.strategy]
    if config.strategy in _PRICED:
        return factory(space, config, steps_per_epoch, costs=costs or costs_of(space))
    return factory(space, config, steps_per_epoch)
