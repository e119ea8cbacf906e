"""Training strategies: which architectures a step trains, and what each of them learns.

A strategy is one function in one file. To add one, write a factory that takes the space, the
training section and the steps of an epoch and returns a `Strategy`, and name it in `STRATEGIES`
and in the configuration's `TrainConfig.strategy`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nas.config import TrainConfig
from nas.training.strategies.attentive import attentive
from nas.training.strategies.delayed import delayed
from nas.training.strategies.fair import fair
from nas.training.strategies.finetune import finetune
from nas.training.strategies.gold_nas import gold_nas
from nas.training.strategies.member import Draw, Member, Moment
from nas.training.strategies.multi_architecture import multi_architecture
from nas.training.strategies.netaug import netaug
from nas.training.strategies.phase import Phase, Strategy
from nas.training.strategies.prenas import prenas
from nas.training.strategies.progressive import progressive
from nas.training.strategies.proxyless import proxyless
from nas.training.strategies.sandwich import sandwich
from nas.training.strategies.single_path import single_path
from search_spaces import SearchSpace

__all__ = [
    "STRATEGIES",
    "Draw",
    "Member",
    "Moment",
    "Phase",
    "Strategy",
]

STRATEGIES: Mapping[str, Callable[[SearchSpace, TrainConfig, int], Strategy]] = {
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
    "gold_nas": gold_nas,
    "finetune": finetune,
}
"""Factories by the name that a configuration gives."""
