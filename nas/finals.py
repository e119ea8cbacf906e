"""The last stage for a few subnets: test score, latency of the whole network, export.

Only subnets that were chosen come here; the search never sees the test split.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import torch
from torch import nn

from nas.archive import Evaluated, Metric
from nas.data import DataSplits, normalise, resize
from nas.errors import MissingExtraError
from nas.evaluation import SubnetEvaluator
from nas.export import Manifest, export_subnet, exported_accuracy, write_measurements
from nas.runs import RunFolder
from nas.search import Problem
from predictors import MeasurementError, Provenance
from predictors.latency import (
    Device,
    LatencyTable,
    LutOptions,
    ModuleModel,
    device_identity,
    get_runtime,
    measure_networks,
)
from search_spaces import Architecture
from search_spaces.progress import Progress, silent

__all__ = ["cost_metrics", "export_final", "measured_latencies"]

_CHECKED_IMAGES = 64


def cost_metrics(problem: Problem, architecture: Architecture) -> dict[str, Metric]:
    """Return every compiled cost of one architecture."""
    return {
        name: Metric(cost.of(architecture), cost.provenance)
        for name, cost in problem.costs.items()
    }


def measured_latencies(
    subnets: Mapping[str, tuple[nn.Module, tuple[int, ...]]],
    options: LutOptions,
    table: LatencyTable,
    *,
    progress: Progress = silent,
) -> dict[str, Metric]:
    """Time whole subnets as the table's blocks were timed, interleaved.

    Args:
        subnets: Module and input shape (C, H, W) by id.
        options: How to measure; runtime, threads, batch size and type are the table's.
        table: The table that predicted them.
        progress: Told how far the work has come.

    Returns:
        The measured latency by id; empty when the table is of another device, or its runtime
        is not installed here.
    """
    conditions = table.conditions
    here = _this_machine(conditions.runtime)
    if here is None or table.device.differences(here):
        return {}
    options = replace(
        options,
        runtime=conditions.runtime,
        threads=conditions.threads,
        batch_size=conditions.batch_size,
        dtype=conditions.dtype,
    )
    networks = {
        id: ModuleModel(module, (options.batch_size, *shape))
        for id, (module, shape) in subnets.items()
    }
    timings = measure_networks(networks, options, progress=progress)
    today = datetime.now(UTC).date().isoformat()
    origin = Provenance("measured", "whole subnet", str(here), str(table.conditions), today)
    return {id: Metric(timing.latency_ms, origin) for id, timing in timings.items()}


def _this_machine(runtime: str) -> Device | None:
    """Return this machine as a runtime sees it, or None where there is no such runtime."""
    try:
        return device_identity(get_runtime(runtime).accelerator())
    except (MeasurementError, MissingExtraError):
        return None


def export_final(
    run: RunFolder,
    row: Evaluated,
    subnet: nn.Module,
    evaluator: SubnetEvaluator,
    splits: DataSplits,
    *,
    formats: Sequence[str],
    metrics: Mapping[str, Metric],
) -> dict[str, Metric]:
    """Export one subnet and score every exported file on the test split.

    Args:
        run: The subnet goes to its ``exports/ID``.
        row: The archive's row of it.
        subnet: Extracted and recalibrated.
        evaluator: Knows the space.
        splits: The images.
        formats: File formats.
        metrics: What is known of the subnet already.

    Returns:
        ``exported_accuracy_FORMAT`` for each format, and the lowest as ``exported_accuracy``.
    """
    space = evaluator.space
    shape = space.input_shape_of(row.architecture)
    manifest = Manifest(
        space_name=space.name,
        space_options=space.options,
        id=row.id,
        architecture=row.architecture,
        input_shape=(shape[0], shape[1], shape[2]),
        mean=splits.mean,
        std=splits.std,
        class_names=splits.test.class_names,
        dataset=splits.source,
        weights=run.imported(),
    )
    images = splits.test.select(torch.arange(min(_CHECKED_IMAGES, len(splits.test)))).images
    files = export_subnet(
        subnet,
        run.exports / row.id,
        manifest=manifest,
        formats=formats,
        check_images=resize(normalise(images, splits.mean, splits.std), shape[-1]),
        measurements=metrics,
    )
    exported = {
        f"exported_accuracy_{format}": exported_accuracy(files, splits.test, format=format)
        for format in formats
    }
    write_measurements(files.folder, exported)
    lowest = min(exported.values(), key=lambda metric: metric.value)
    return {**exported, "exported_accuracy": lowest}
