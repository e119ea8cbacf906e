"""Latency tables: build one on the device you deploy to, and price architectures with it."""

from __future__ import annotations

from predictors.latency.build import build_table
from predictors.latency.calibration import Calibration
from predictors.latency.measure import measure_networks
from predictors.latency.models import (
    ArchitectureModel,
    BlockModel,
    Model,
    ModuleModel,
    OnnxModel,
)
from predictors.latency.monotone import Suspicion
from predictors.latency.plan import Plan, make_plan
from predictors.latency.runner.device import Device, device_identity, same_device
from predictors.latency.runner.identity import Conditions, Identity
from predictors.latency.runner.options import LutOptions
from predictors.latency.runner.timing import Timing
from predictors.latency.runtimes import FileRuntime, Runtime, get_runtime, list_runtimes
from predictors.latency.table import LatencyTable, MeasuredNetwork, Row
from predictors.latency.table_file import load_table
from predictors.latency.validation import Agreement, Validation

__all__ = [
    "Agreement",
    "ArchitectureModel",
    "BlockModel",
    "Calibration",
    "Conditions",
    "Device",
    "FileRuntime",
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
