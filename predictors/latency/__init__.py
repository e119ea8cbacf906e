"""Latency tables: build one on the device you deploy to, and price architectures with it."""

from __future__ import annotations

from predictors.latency.adb import Adb
from predictors.latency.assemble import judge
from predictors.latency.build import build_table
from predictors.latency.calibration import Calibration
from predictors.latency.describe import describe_table, table_summary
from predictors.latency.difference import Difference, compare_tables
from predictors.latency.estimate import Estimate, estimate
from predictors.latency.further import measure_further, space_of_table
from predictors.latency.importing import import_result, refuse_existing
from predictors.latency.kit import write_kit
from predictors.latency.measure import measure_networks
from predictors.latency.merge import merge_tables
from predictors.latency.models import (
    ArchitectureModel,
    BlockModel,
    Model,
    ModuleModel,
    OnnxModel,
)
from predictors.latency.monotone import Suspicion
from predictors.latency.plan import Plan, make_plan
from predictors.latency.remote import Remote
from predictors.latency.runner.device import Device, device_identity, same_device
from predictors.latency.runner.identity import Conditions, Identity, SpaceIdentity
from predictors.latency.runner.options import LATENCY, LutOptions, written_unit
from predictors.latency.runner.timing import Timing
from predictors.latency.runtimes import FileRuntime, Runtime, get_runtime, list_runtimes
from predictors.latency.ssh import Ssh
from predictors.latency.table import LatencyTable, MeasuredNetwork, Row
from predictors.latency.table_file import load_table, save_table
from predictors.latency.target import Command, Target, ThisMachine
from predictors.latency.validation import Agreement, Validation

__all__ = [
    "LATENCY",
    "Adb",
    "Agreement",
    "ArchitectureModel",
    "BlockModel",
    "Calibration",
    "Command",
    "Conditions",
    "Device",
    "Difference",
    "Estimate",
    "FileRuntime",
    "Identity",
    "LatencyTable",
    "LutOptions",
    "MeasuredNetwork",
    "Model",
    "ModuleModel",
    "OnnxModel",
    "Plan",
    "Remote",
    "Row",
    "Runtime",
    "SpaceIdentity",
    "Ssh",
    "Suspicion",
    "Target",
    "ThisMachine",
    "Timing",
    "Validation",
    "build_table",
    "compare_tables",
    "describe_table",
    "device_identity",
    "estimate",
    "get_runtime",
    "import_result",
    "judge",
    "list_runtimes",
    "load_table",
    "make_plan",
    "measure_further",
    "measure_networks",
    "merge_tables",
    "refuse_existing",
    "same_device",
    "save_table",
    "space_of_table",
    "table_summary",
    "write_kit",
    "written_unit",
]
