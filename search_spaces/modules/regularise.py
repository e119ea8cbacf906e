"""Dropout and drop-path of a supernet: whether they act is an argument of its forward.

A block does not hand the argument on to its layers; it lies in a context variable for as long as
the forward runs, so that no module remembers it and threads do not meet.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

from torch import Tensor

from search_spaces.modules.scoped import Scoped
from search_spaces.modules.shard import dropout, uniform_per_image

__all__ = ["Regularisation", "at_depth", "drop", "drop_path", "regularised"]


@dataclass(frozen=True, slots=True)
class Regularisation:
    """What a forward in training mode may leave out.

    Attributes:
        dropout: Whether dropout acts, at the rates that the blocks have.
        drop_path: Probability with which the last block leaves out what it adds to its shortcut,
            for each image; it rises linearly from the first block on (Huang et al. 2016,
            arXiv:1603.09382, section 3).
    """

    dropout: bool = True
    drop_path: float = 0.0


_current = Scoped("regularisation", Regularisation())
_depth = Scoped("depth", 1.0)


def regularised(regularisation: Regularisation) -> AbstractContextManager[None]:
    """Let layers that run inside the block act by it."""
    return _current.put(regularisation)


def at_depth(depth: float) -> AbstractContextManager[None]:
    """Say how deep the blocks lie that run inside, from 0 for the first to 1 for the last."""
    return _depth.put(depth)


def drop(x: Tensor, rate: float, training: bool) -> Tensor:
    """Leave out features by dropout."""
    return dropout(x, rate, training and _current.get().dropout)


def drop_path(branch: Tensor, training: bool) -> Tensor:
    """Leave out for some images what is to be added to a shortcut, and scale the others."""
    rate = _current.get().drop_path * _depth.get()
    if not training or not rate:
        return branch
    shape = (len(branch), *[1] * (branch.dim() - 1))
    kept = uniform_per_image(len(branch), branch.device).view(shape) >= rate
    return branch * kept / (1.0 - rate)
