"""``nas export RUN``."""

from __future__ import annotations

import argparse

from nas import pipeline
from nas.cli.progress import ProgressBar
from nas.cli.runs import add_run
from nas.errors import ConfigError
from nas.problems import build_problem, space_of
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
    parser.add_argument(
        "--format",
        metavar="LIST",
        help="comma-separated: safetensors, onnx, pt2 (default: what the configuration says)",
    )


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    folder = RunFolder.open(arguments.run)
    config = folder.config.export
    if arguments.top is not None and arguments.top < 1:
        raise ConfigError(f"--top must be at least 1, got {arguments.top}.")
    formats = arguments.format.split(",") if arguments.format else config.formats
    space = space_of(folder.config)
    with folder.lock():
        table = pipeline.latency_stage(folder, space, ProgressBar)
        problem = build_problem(folder.config, space, table)
        splits = pipeline.load_splits(folder.config, space, ProgressBar)
        chosen = pipeline.choose(folder, problem, top=arguments.top or config.top, id=arguments.id)
        pipeline.export_stage(
            folder, problem, splits, chosen, formats, table=table, bars=ProgressBar
        )
    print(report_plain(folder))
    print()
    for row in chosen:
        print(f"exported: {folder.exports / row.id}")
