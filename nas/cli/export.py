"""``nas export RUN``."""

from __future__ import annotations

import argparse

from nas import pipeline
from nas.cli.progress import ProgressBar
from nas.cli.runs import add_run
from nas.config import ExportConfig, parse_config
from nas.problems import searched_space, space_of
from nas.report import report_plain
from nas.runs import RunFolder

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Define the options."""
    add_run(parser)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--top", metavar="K", type=int, help="export the K best subnets")
    which.add_argument(
        "--id", metavar="ID", help="export one subnet; a unique beginning is enough"
    )
    which.add_argument(
        "--front",
        action="store_true",
        help="export every subnet that none beats in all objectives at once",
    )
    parser.add_argument(
        "--format",
        metavar="LIST",
        help="comma-separated: safetensors, onnx, pt2 (default: what the configuration says)",
    )


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    folder = RunFolder.open(arguments.run)
    config = _asked(folder, arguments)
    space = searched_space(folder.config)
    with folder.lock():
        tables = pipeline.latency_stage(folder, space_of(folder.config), ProgressBar)
        problem = pipeline.problem_of(folder, space, tables)
        splits = pipeline.load_splits(folder.config, space, ProgressBar)
        chosen = pipeline.choose(
            folder, problem, top=config.top, id=arguments.id, whole_front=arguments.front
        )
        pipeline.export_stage(
            folder, problem, splits, chosen, config.formats, tables=tables, bars=ProgressBar
        )
    print(report_plain(folder))
    print()
    for row in chosen:
        print(f"exported: {folder.exports / row.id}")


def _asked(folder: RunFolder, arguments: argparse.Namespace) -> ExportConfig:
    """Return the run's export section with what the flags say instead.

    Raises:
        ConfigError: A flag has an impossible value.
    """
    document = folder.config.to_json()
    if arguments.top is not None:
        document["export"]["top"] = arguments.top
    if arguments.format is not None:
        document["export"]["formats"] = arguments.format.split(",")
    return parse_config(document, source="of this export").export
