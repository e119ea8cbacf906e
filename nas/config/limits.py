"""Limits as people say them: ``60M`` MACs, ``2.5 ms``, ``64 KiB``, or ``60%`` of the largest.

``<= 20 ms @ 95%`` asks that a measured cost be within the limit with that confidence.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

from nas.errors import ConfigError

__all__ = ["Limit", "Sweep", "parse_limit", "parse_sweep"]

_NUMBER = re.compile(r"([-+]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*([A-Za-z]*|%)", re.ASCII)
_CONFIDENCE = re.compile(r"(\d+(?:\.\d+)?)\s*%", re.ASCII)
_DECIMAL = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9}
_BINARY = {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30}
_UNITS: dict[str, dict[str, float]] = {
    "_ms": {"": 1.0, "ms": 1.0, "s": 1e3},
    "_s": {"": 1.0, "s": 1.0, "ms": 1e-3},
    "_mj": {"": 1.0, "mJ": 1.0, "J": 1e3},
    "_bytes": {
        **_DECIMAL,
        "B": 1.0,
        **{f"{unit}B": factor for unit, factor in _DECIMAL.items() if unit},
        **_BINARY,
        **{f"{unit}B": factor for unit, factor in _BINARY.items()},
    },
}


_SWEEP = re.compile(r"\s*(\w+)\s*=\s*(.+?)\s*\.\.\s*(.+?)\s*:\s*(.+?)\s*")
_MAX_TARGETS = 1000


@dataclass(frozen=True, slots=True)
class Limit:
    """An upper limit on one metric: an absolute value or a share of the largest subnet's.

    Attributes:
        metric: The metric's name, which states its unit, for example ``latency_ms``.
        value: The limit in the metric's unit; None when it is a share.
        share: In (0, 1]; None when it is an absolute value.
        confidence: In (0, 1): how sure it must be that the true cost of an architecture is
            within the limit; None takes the predicted cost as it is.
    """

    metric: str
    value: float | None = None
    share: float | None = None
    confidence: float | None = None

    def resolve(self, largest: float) -> float:
        """Return the limit in the metric's unit.

        Args:
            largest: The largest subnet's value, in the metric's unit.
        """
        return self.value if self.value is not None else (self.share or 0.0) * largest


def parse_limit(metric: str, text: int | float | str) -> Limit:
    """Read a limit as a person writes it.

    Args:
        metric: The metric's name; its ending (``_ms``, ``_s``, ``_mj``, ``_bytes``) says which
            units fit. Any other metric counts something and takes K, M and G (decimal).
        text: A number in the metric's unit, a number with a unit, or a share such as ``"60%"``.
            ``<=`` may stand before it, and a confidence such as ``@ 95%`` after it.

    Raises:
        ConfigError: It is no number, not above zero, or has a unit that does not fit the metric;
            or the confidence is not between 0 and 100 %.
    """
    if isinstance(text, str) and "@" in text:
        plain, _, wanted = text.partition("@")
        return replace(parse_limit(metric, plain), confidence=_confidence(metric, text, wanted))
    units = next((u for end, u in _UNITS.items() if metric.endswith(end)), _DECIMAL)
    known = [unit for unit in units if unit not in ("", "k")]
    allowed = (
        f"Allowed: a number above 0, with or without one of {', '.join(known)}; "
        'or a share of the largest subnet such as "60%".'
    )
    match = (
        None
        if isinstance(text, bool)
        else _NUMBER.fullmatch(str(text).strip().removeprefix("<=").strip())
    )
    if match is None:
        raise ConfigError(f"limit {metric} = {text!r}: is no number. {allowed}")
    number, unit = float(match[1]), match[2]
    if not (number > 0 and math.isfinite(number)):
        raise ConfigError(f"limit {metric} = {text!r}: must be above 0 and finite. {allowed}")
    if unit == "%":
        if number > 100:
            raise ConfigError(f"limit {metric} = {text!r}: is above 100% and limits nothing.")
        return Limit(metric, share=number / 100)
    if unit not in units:
        raise ConfigError(f"limit {metric} = {text!r}: has the unit {unit!r}. {allowed}")
    return Limit(metric, value=number * units[unit])


@dataclass(frozen=True, slots=True)
class Sweep:
    """Limits on one metric at equal steps.

    Attributes:
        metric: The metric's name, which states its unit.
        first: The first limit.
        last: The last one, which is met when the steps lead to it.
        step: Between two limits.
    """

    metric: str
    first: Limit
    last: Limit
    step: Limit

    def values(self, largest: float) -> tuple[float, ...]:
        """Return the limits in the metric's unit, ascending.

        Args:
            largest: The largest subnet's value, in the metric's unit, of which shares are.

        Raises:
            ConfigError: The last limit lies below the first, or there are too many.
        """
        first, last, step = (
            limit.resolve(largest) for limit in (self.first, self.last, self.step)
        )
        count = math.floor((last - first) / step * (1 + 1e-9) + 1e-9) + 1
        if count < 1 or count > _MAX_TARGETS:
            raise ConfigError(
                f"sweep {self.metric}: from {first:,.6g} to {last:,.6g} in steps of {step:,.6g} "
                f"gives {max(count, 0):,} limits; 1 to {_MAX_TARGETS:,} are allowed."
            )
        return tuple(first + number * step for number in range(count))


def parse_sweep(text: str) -> Sweep:
    """Read a sweep such as ``latency_ms=10..40:5``: from 10 to 40 ms in steps of 5.

    Args:
        text: METRIC=FIRST..LAST:STEP; each of the three as `parse_limit` reads it.

    Raises:
        ConfigError: It has another form, or a number is wrong.
    """
    match = _SWEEP.fullmatch(text)
    if match is None:
        raise ConfigError(
            f"sweep {text!r}: write METRIC=FIRST..LAST:STEP, for example latency_ms=10..40:5 or "
            "macs=20%..60%:10%."
        )
    metric = match[1]
    first, last, step = (parse_limit(metric, match[number]) for number in (2, 3, 4))
    if any(limit.confidence is not None for limit in (first, last, step)):
        raise ConfigError(
            f"sweep {text!r}: a sweep takes limits without a confidence. Leave out the '@'."
        )
    return Sweep(metric, first, last, step)


def _confidence(metric: str, text: str, wanted: str) -> float:
    match = _CONFIDENCE.fullmatch(wanted.strip())
    if match is None or not 0 < float(match[1]) < 100:
        raise ConfigError(
            f"limit {metric} = {text!r}: after @ stands a confidence between 0 and 100 %, for "
            'example "<= 20 @ 95%".'
        )
    return float(match[1]) / 100
