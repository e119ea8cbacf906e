"""Training strategies: which architectures a step trains, and what each of them learns.

A strategy is one function in one file. To add one, write a factory that takes the space and
the training section and returns a `Strategy`, and name it in `STRATEGIES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nas.config import TrainConfig
from nas.training.strategies.member import Member, Strategy
from nas.training.strategies.sandwich import sandwich
from nas.training.strategies.single_path import single_path
from search_spaces import SearchSpace

__all__ = ["STRATEGIES", "Member", "Strategy", "sandwich", "single_path"]

STRATEGIES: Mapping[str, Callable[[SearchSpace, TrainConfig], Strategy]] = {
    "single_path": single_path,
    "sandwich": sandwich,
}
"""Factories by the name that a configuration gives."""
