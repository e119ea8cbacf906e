"""Exports and the report of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nas.archive import Evaluated, Metric
from nas.latency_tables import AnyTable
from nas.metric_names import measured
from nas.pipeline.evaluation import open_archive, subnet_evaluator
from nas.pipeline.latency import lut_options
from nas.pipeline.stage import Bars, stage
from nas.problems import network_space
from nas.runs import RunFolder
from nas.search import Problem
from predictors.latency import LatencyTable
from search_spaces import SearchSpace

if TYPE_CHECKING:
    from nas.data import DataSplits

__all__ = ["export_stage", "report_stage"]


def export_stage(
    run: RunFolder,
    problem: Problem,
    splits: DataSplits,
    chosen: Sequence[Evaluated],
    formats: Sequence[str],
    *,
    tables: Mapping[str, AnyTable],
    bars: Bars,
    space: SearchSpace | None = None,
) -> None:
    """Score the chosen subnets on the test split, time them, export them and check the files.

    They are timed in the runtime of each table that was measured on this machine.

    Args:
        run: With the trained supernet.
        problem: What was searched; its costs are recorded.
        splits: The images.
        chosen: Rows of the archive.
        formats: File formats.
        tables: The latency tables by metric.
        bars: Shows progress.
        space: Of the run's weights; by default what the configuration says.
    """
    from nas.finals import cost_metrics, export_final, measured_latencies

    space = space or network_space(run.config)
    evaluator = subnet_evaluator(run, space, splits)
    subnets = {row.id: evaluator.subnet(row.architecture) for row in chosen}
    shaped = {row.id: (subnets[row.id], space.input_shape_of(row.architecture)) for row in chosen}
    latencies: dict[str, dict[str, Metric]] = {}
    for metric, section in run.config.latencies.items():
        table = tables.get(metric)
        if isinstance(table, LatencyTable):
            with bars("measuring subnets") as progress:
                latencies[measured(metric)] = measured_latencies(
                    shaped, lut_options(section), table, progress=progress
                )
    with stage(run, "export"), open_archive(run, space) as archive, bars("export") as progress:
        for done, row in enumerate(chosen):
            progress(done, len(chosen), row.id)
            subnet = subnets[row.id]
            metrics = {**row.metrics, **cost_metrics(problem, row.architecture)}
            metrics["test_accuracy"] = evaluator.score(subnet, row.architecture, split="test")
            metrics |= {name: of[row.id] for name, of in latencies.items() if row.id in of}
            metrics |= export_final(
                run, row, subnet, evaluator, splits, formats=formats, metrics=metrics
            )
            archive.record(row.id, row.architecture, metrics)
        progress(len(chosen), len(chosen), "")


def report_stage(run: RunFolder) -> Path:
    """Write the HTML report of a run and return its path."""
    from nas.report import write_report

    with stage(run, "report"):
        return write_report(run)
