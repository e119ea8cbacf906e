"""Training a supernet: one loop, strategies as data. This module is the only door."""

from __future__ import annotations

from nas.training.loop import TrainReport, check_batch, train
from nas.training.state import load_supernet
from nas.training.strategies import STRATEGIES, Member, Moment, Strategy, build_strategy

__all__ = [
    "STRATEGIES",
    "Member",
    "Moment",
    "Strategy",
    "TrainReport",
    "build_strategy",
    "check_batch",
    "load_supernet",
    "train",
]
