"""Scales: from numbers to positions on paper, and the round numbers to write at an axis."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Scale", "linear_scale", "log_scale"]

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_LOG_STEPS = ((1,), (1, 3), (1, 2, 5), (1, 2, 3, 5, 7), (1, 1.5, 2, 3, 4, 5, 6, 8))


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps [low, high] onto the positions [start, end], linearly or logarithmically.

    Attributes:
        low: Smallest number; above 0 on a logarithmic scale.
        high: Largest number, above `low`.
        start: Position of `low` in pixels.
        end: Position of `high`; below `start` where an axis runs upwards.
        log: Whether equal distances mean equal ratios.
        unit: Ticks are round numbers of this, for example 1024 for KiB.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False
    unit: float = 1.0

    def __call__(self, value: float) -> float:
        """Return the position of a number; outside the range it is cut to the border."""
        value = min(max(value, self.low), self.high)
        low, high = self.low, self.high
        if self.log:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def ticks(self, count: int = 5) -> list[float]:
        """Return about `count` round numbers within the range, ascending."""
        low, high = self.low / self.unit, self.high / self.unit
        ticks = _log_ticks(low, high, count) if self.log else _linear_ticks(low, high, count)
        return [tick * self.unit for tick in ticks]


def linear_scale(
    values: Iterable[float],
    start: float,
    end: float,
    *,
    margin: float = 0.05,
    zero: bool = False,
    unit: float = 1.0,
) -> Scale:
    """Return a linear scale that holds all values with some room at both ends.

    Args:
        values: Finite numbers; none of them gives [0, 1].
        start: Position of the low end in pixels.
        end: Position of the high end.
        margin: Room at each end as a share of the range.
        zero: Start at 0, without room below.
        unit: Ticks are round numbers of this.
    """
    low, high = _range(values)
    room = (high - low) * margin
    return Scale(0.0 if zero else low - room, high + room, start, end, unit=unit)


def log_scale(
    values: Iterable[float], start: float, end: float, *, margin: float = 0.05, unit: float = 1.0
) -> Scale:
    """Return a logarithmic scale that holds all values above 0, with room at both ends."""
    low, high = _range([value for value in values if value > 0] or [1.0, 10.0])
    if low <= 0:
        low = high / 10
    factor = (high / low) ** margin
    return Scale(low / factor, high * factor, start, end, log=True, unit=unit)


def _range(values: Iterable[float]) -> tuple[float, float]:
    """Return the smallest and largest value, widened where they are equal."""
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return 0.0, 1.0
    low, high = min(known), max(known)
    if high - low <= 1e-12 * max(abs(low), abs(high), 1e-12):
        room = abs(low) * 0.05 or 1.0
        return low - room, high + room
    return low, high


def _linear_ticks(low: float, high: float, count: int) -> list[float]:
    rough = (high - low) / max(count, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in _STEPS if s * power >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def _log_ticks(low: float, high: float, count: int) -> list[float]:
    """Return 1, 2, 5 times powers of ten, as many of them as come closest to `count`."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    choices = [
        [
            digit * 10.0**power
            for power in range(first, last + 1)
            for digit in digits
            if low * (1 - 1e-9) <= digit * 10.0**power <= high * (1 + 1e-9)
        ]
        for digits in _LOG_STEPS
    ]
    best = min(choices, key=lambda ticks: abs(len(ticks) - count))
    return best if len(best) > 1 else _linear_ticks(low, high, count)
