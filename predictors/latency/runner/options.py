"""How latencies are measured."""

from __future__ import annotations

import re
from dataclasses import dataclass

from predictors.errors import MeasurementError

__all__ = ["LATENCY", "LutOptions", "unit_of", "written_unit"]

LATENCY = "latency_ms"
"""What runtimes measure; a command may measure any other metric."""


def unit_of(metric: str) -> str:
    """Return the unit that a metric's name ends in, as ``ms`` for ``latency_ms``."""
    return metric.rpartition("_")[2]


def written_unit(metric: str) -> str:
    """Return the unit as people write it, as ``mJ`` for ``energy_mj``."""
    unit = unit_of(metric)
    return unit[:-1] + unit[-1].upper() if unit[-1] in "jw" else unit


@dataclass(frozen=True, slots=True)
class LutOptions:
    """Settings of a measurement; the first five say what is measured, the others how well.

    Attributes:
        runtime: One of `list_runtimes`.
        threads: Threads that one run may use.
        batch_size: Images in one call.
        dtype: Type of weights and activations; float32 is the only one so far.
        metric: Name with its unit at the end; another than ``latency_ms`` takes a command.
        rounds: Rounds over everything; None goes on until `confidence` is reached.
        confidence: Half-width of the 95 % confidence interval of a latency, relative to it, at
            which to stop: the median over all measured networks.
        max_seconds: Stop after this time, but not before three rounds; None for no limit.
        calibration_nets: Whole networks measured to correct the sum of blocks; 0 for none.
        validation_nets: Further networks that tell how good the corrected table is; 0 for none.
        sample_ms: Shortest time of one sample; shorter networks are run several times.
        loaded_megabytes: Most weights, in 10^6 bytes, that are loaded at one time.
        max_celsius: Nothing is measured while the device is hotter, where it tells.
        seed: Of the choice of networks and of the order of measurements.

    Raises:
        MeasurementError: A value is impossible.
    """

    runtime: str = "onnxruntime"
    threads: int = 1
    batch_size: int = 1
    dtype: str = "float32"
    metric: str = LATENCY
    rounds: int | None = None
    confidence: float = 0.01
    max_seconds: float | None = None
    calibration_nets: int = 20
    validation_nets: int = 20
    sample_ms: float = 0.3
    loaded_megabytes: float = 512.0
    max_celsius: float = 80.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.dtype != "float32":
            raise MeasurementError(f"Latency can be measured in float32 only, not {self.dtype!r}.")
        if re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)+", self.metric) is None:
            raise MeasurementError(
                f"metric must be a name with its unit at the end, for example energy_mj, got "
                f"{self.metric!r}."
            )
        for name in ("threads", "batch_size", "rounds"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise MeasurementError(f"{name} must be at least 1, got {value}.")
        for name in ("confidence", "max_seconds", "sample_ms", "loaded_megabytes", "max_celsius"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise MeasurementError(f"{name} must be above 0, got {value}.")
        for name in ("calibration_nets", "validation_nets"):
            if getattr(self, name) < 0:
                raise MeasurementError(f"{name} must not be negative, got {getattr(self, name)}.")
