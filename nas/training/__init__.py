"""Training a supernet: one loop, strategies as data. This module is the only door."""

from __future__ import annotations

from nas.training.loop import TrainReport, check_batch, train
from nas.training.state import load_supernet
from nas.training.strategies import STRATEGIES, Member, Moment, Strategy

__all__ = [
    "STRATEGIES",
    "Member",
    "Moment",
    "Strategy",
    "TrainReport",
    "check_batch",
    "load_supernet",
    "train",
]
