"""Keep the table of a finished run: what the examples reach on this machine.

nas run examples/fashion_mnist.toml
python benchmarks/example_run.py runs/fashion_mnist
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from typing import Any

from common import print_table, write_result

from nas.archive import Archive
from nas.export import read_manifest, read_measurements
from nas.problems import build_problem, space_of
from nas.runs import RunFolder
from predictors.latency import load_table, table_summary

_COLUMNS = (
    "accuracy",
    "test_accuracy",
    "exported_accuracy",
    "macs",
    "params",
    "peak_memory_bytes",
    "latency_ms",
    "latency_ms_measured",
)


def subnet_rows(run: RunFolder) -> list[dict[str, Any]]:
    """Return the numbers of every exported subnet, best validation accuracy first."""
    with Archive.read(run.archive_path) as archive:
        known = {row.id: row.metrics for row in archive.rows()}
    rows = []
    for folder in sorted(run.exports.iterdir()):
        manifest = read_manifest(folder)
        metrics = {**known[manifest.id], **read_measurements(folder)}
        values = {name: metrics[name].value for name in _COLUMNS if name in metrics}
        rows.append({"subnet": manifest.id, "resolution": manifest.input_shape[-1], **values})
    return sorted(rows, key=lambda row: -row["accuracy"])


def summary(run: RunFolder) -> dict[str, Any]:
    """Return what was asked, how long training took, and how good the latency table is."""
    space = space_of(run.config)
    tables = [load_table(path) for path in run.latency_tables()]
    problem = build_problem(run.config, space, {"latency_ms": tables[0]} if tables else {})
    steps = [row for row in run.read_metrics() if row["kind"] == "train"]
    config = run.config.train
    rates = [row["images_per_s"] for row in steps]
    return {
        "space": {"name": space.name, "options": dict(space.options), "size": space.size},
        "limits": {limit.metric: limit.value for limit in problem.limits},
        "training": {
            "strategy": config.strategy,
            "epochs": config.epochs,
            "steps": steps[-1]["step"],
            "threads": config.threads,
            "images_per_s_median": statistics.median(rates),
        },
        "latency_table": table_summary(tables[0]) if tables else None,
    }


def main() -> None:
    """Print and keep the table of one run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="folder of a finished run")
    parser.add_argument("--name", help="name of the result (default: the folder's)")
    arguments = parser.parse_args()
    run = RunFolder.open(arguments.run)
    rows = subnet_rows(run)
    print_table(rows)
    payload = {**summary(run), "subnets": rows}
    write_result(f"example_{arguments.name or run.path.name}", payload)


if __name__ == "__main__":
    main()
