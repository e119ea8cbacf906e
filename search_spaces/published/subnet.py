"""A published subnet: an architecture with the counts its authors print."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from search_spaces.architecture import Architecture

__all__ = ["PublishedSubnet"]


@dataclass(frozen=True)
class PublishedSubnet:
    """One architecture with the counts its authors print.

    Attributes:
        name: By which it was published.
        space: Registered name.
        options: Of the space's factory.
        architecture: One option for each choice.
        macs: Multiply-accumulates as published; None where nothing is printed.
        params: Parameters as published; None where nothing is printed.
        source: Where it is printed.
        macs_within: How far a right count may be from the printed number.
        params_within: The same for parameters.
    """

    name: str
    space: str
    architecture: Architecture
    macs: float | None
    params: float | None
    source: str
    options: Mapping[str, Any] = field(default_factory=dict)
    macs_within: float = 0.0
    params_within: float = 0.0
