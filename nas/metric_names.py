"""Names of costs that several places have: the place in front, the unit at the end."""

from __future__ import annotations

__all__ = ["LATENCY", "PRIVATE", "is_latency", "is_private", "measured", "placed", "split_place"]

LATENCY = "latency_ms"
PRIVATE = ("mpc_online_bytes", "mpc_rounds", "mpc_online_s")
_MEASURED = "_measured"
_PLACED = (LATENCY, LATENCY + _MEASURED, *PRIVATE)


def placed(place: str, metric: str) -> str:
    """Return the name of a cost at one of several places.

    Args:
        place: For example ``phone``; empty where there is only one.
        metric: The cost, for example ``latency_ms``, which gives ``phone_latency_ms``.
    """
    return f"{place}_{metric}" if place else metric


def split_place(metric: str) -> tuple[str, str]:
    """Return the place, empty where none is named, and the name of the cost without it."""
    for base in _PLACED:
        if metric.endswith(f"_{base}"):
            return metric.removesuffix(f"_{base}"), base
    return "", metric


def is_latency(metric: str) -> bool:
    """Return whether a metric is a predicted latency, of a named device or of the only one."""
    return split_place(metric)[1] == LATENCY


def is_private(metric: str) -> bool:
    """Return whether a metric is a cost of private inference."""
    return split_place(metric)[1] in PRIVATE


def measured(metric: str) -> str:
    """Return the name of what was measured of whole subnets, where the metric is predicted."""
    return metric + _MEASURED
