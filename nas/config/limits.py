"""Limits as people say them: ``60M`` MACs, ``2.5 ms``, ``64 KiB``, or ``60%`` of the largest.

``<= 20 ms @ 95%`` asks that a measured cost be within the limit with that confidence.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

from nas.errors import ConfigError

__all__ = ["Limit", "parse_limit"]

_NUMBER = re.compile(r"([-+]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*([A-Za-z]*|%)", re.ASCII)
_CONFIDENCE = re.compile(r"(\d+(?:\.\d+)?)\s*%", re.ASCII)
_DECIMAL = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9}
_BINARY = {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30}
_UNITS: dict[str, dict[str, float]] = {
    "_ms": {"": 1.0, "ms": 1.0, "s": 1e3},
    "_s": {"": 1.0, "s": 1.0, "ms": 1e-3},
    "_bytes": {
        **_DECIMAL,
        "B": 1.0,
        **{f"{unit}B": factor for unit, factor in _DECIMAL.items() if unit},
        **_BINARY,
        **{f"{unit}B": factor for unit, factor in _BINARY.items()},
    },
}


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
        metric: The metric's name; its ending (``_ms``, ``_s``, ``_bytes``) says which units fit.
            Any other metric counts something and takes K, M and G (decimal).
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


def _confidence(metric: str, text: str, wanted: str) -> float:
    match = _CONFIDENCE.fullmatch(wanted.strip())
    if match is None or not 0 < float(match[1]) < 100:
        raise ConfigError(
            f"limit {metric} = {text!r}: after @ stands a confidence between 0 and 100 %, for "
            'example "<= 20 @ 95%".'
        )
    return float(match[1]) / 100
