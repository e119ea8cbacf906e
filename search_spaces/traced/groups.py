"""Dependency groups: channels that must shrink together."""

from __future__ import annotations

from typing import TypeAlias

__all__ = ["ChannelGroups", "Pieces", "total"]

Pieces: TypeAlias = tuple[tuple[int, int], ...]
"""The channels of a tensor: pairs (group, how many features each of its channels makes)."""


def total(pieces: Pieces, widths: dict[int, int]) -> int:
    """Return the channels of a tensor at the given width of every group."""
    return sum(widths[group] * times for group, times in pieces)


class ChannelGroups:
    """Sets of channels, tied by union-find; a group is known by the number of its oldest set.

    An addition ties its inputs, a convolution begins a group, a depthwise convolution, batch
    norm or pooling goes on with that of its input. The idea is that of structural pruning by
    dependency graphs (Fang et al. 2023, DepGraph, arXiv:2301.12900).
    """

    def __init__(self) -> None:
        self._parents: list[int] = []
        self._sizes: list[int] = []
        self._labels: list[str] = []
        self._fixed: set[int] = set()

    def new(self, size: int, label: str, *, fixed: bool = False) -> int:
        """Begin a group of so many channels; the label says who makes them."""
        self._parents.append(len(self._parents))
        self._sizes.append(size)
        self._labels.append(label)
        if fixed:
            self._fixed.add(self._parents[-1])
        return self._parents[-1]

    def find(self, group: int) -> int:
        """Return the number of the group that a set now belongs to."""
        while self._parents[group] != group:
            group = self._parents[group]
        return group

    def tie(self, first: Pieces, second: Pieces) -> None:
        """Let two tensors have equal channels; where their pieces differ, all stay as they are."""
        sizes = [[(self._sizes[g], times) for g, times in pieces] for pieces in (first, second)]
        if sizes[0] != sizes[1]:
            self.freeze(first + second)
            return
        for (one, _), (other, _) in zip(first, second, strict=True):
            low, high = sorted((self.find(one), self.find(other)))
            self._parents[high] = low

    def freeze(self, pieces: Pieces) -> None:
        """Let the channels of a tensor stay as they are."""
        self._fixed.update(group for group, _ in pieces)

    def sizes(self) -> dict[int, int]:
        """Return the channels of every group in the order they begin."""
        return {g: self._sizes[g] for g, parent in enumerate(self._parents) if g == parent}

    def label(self, group: int) -> str:
        """Return who makes the group's channels first."""
        return self._labels[group]

    def is_fixed(self, group: int) -> bool:
        """Return whether anything forbids the group to shrink."""
        return any(self.find(fixed) == group for fixed in self._fixed)
