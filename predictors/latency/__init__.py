"""Latency tables: build one on the device you deploy to, and price architectures with it."""

from __future__ import annotations

from predictors.latency.build import build_table
from predictors.latency.calibration import Calibration
from predictors.latency.device import Device, device_identity, same_device
from predictors.latency.identity import Conditions, Identity
from predictors.latency.measure import measure_networks
from predictors.latency.models import (
    ArchitectureModel,
    BlockModel,
    Model,
    ModuleModel,
    OnnxModel,
)
from predictors.latency.monotone import Suspicion
from predictors.latency.options import LutOptions
from predictors.latency.plan import Plan, make_plan
from predictors.latency.runtimes import Runtime, get_runtime, list_runtimes
from predictors.latency.table import LatencyTable, MeasuredNetwork, Row
from predictors.latency.table_file import load_table
from predictors.latency.timing import Timing
from predictors.latency.validation import Agreement, Validation

__all__ = [
    "Agreement",
    "ArchitectureModel",
    "BlockModel",
    "Calibration",
    "Conditions",
    "Device",
    "Identity",
    "LatencyTable",
    "LutOptions",
    "MeasuredNetwork",
    "Model",
    "ModuleModel",
    "OnnxModel",
    "Plan",
    "Row",
    "Runtime",
    "Suspicion",
    "Timing",
    "Validation",
    "build_table",
    "device_identity",
    "get_runtime",
    "list_runtimes",
    "load_table",
    "make_plan",
    "measure_networks",
    "same_device",
]
